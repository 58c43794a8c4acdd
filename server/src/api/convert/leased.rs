//! Leased jobs on their way out, written straight into the bytes of their message.
//!
//! This is done for every job that is delivered, so it is not left to generated code: that would
//! have each job built from allocated parts first. What few jobs have is written by generated code
//! all the same; protobuf lets a message be written in pieces.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use leaseq_engine::effect::Grant;
use leaseq_engine::id::LeaseRef;
use leaseq_engine::transition::Content;
use leaseq_proto::v1;
use prost::Message;
use prost_types::{Duration, Timestamp};

use super::job::outcome;
use super::text::write_id;
use super::time::{timestamp, wire_duration};
use crate::api::headers;
use crate::api::token::{TOKEN_BYTES, Tokens};
use crate::shard::WallOffset;

/// Bytes of a leased job beside its payload and headers, rounded up: id, token, numbers, tags.
pub(super) const JOB_BYTES: usize = 192;

/// Bytes of an id as text.
const ID_BYTES: usize = 36;

/// Field numbers of `LeasedJob`, with the wire type in the low three bits.
mod key {
    pub(super) const ID: u8 = 1 << 3 | BYTES;
    pub(super) const LEASE_TOKEN: u8 = 2 << 3 | BYTES;
    pub(super) const PAYLOAD: u8 = 3 << 3 | BYTES;
    pub(super) const ATTEMPT: u8 = 5 << 3 | VARINT;
    pub(super) const MAX_ATTEMPTS: u8 = 6 << 3 | VARINT;
    pub(super) const FENCING_NUMBER: u8 = 7 << 3 | VARINT;
    const BYTES: u8 = 2;
    const VARINT: u8 = 0;
}

/// The fields of `LeasedJob` that are left to generated code. Its texts are none of them: an empty
/// one costs a comparison, which is more than all else that is done for a plain job.
#[derive(Clone, PartialEq, Message)]
struct Rest {
    #[prost(btree_map = "string, string", tag = "4")]
    headers: BTreeMap<String, String>,
    #[prost(int32, tag = "8")]
    priority: i32,
    #[prost(message, optional, tag = "9")]
    put_time: Option<Timestamp>,
    #[prost(message, optional, tag = "10")]
    outcome: Option<v1::Outcome>,
    #[prost(message, optional, tag = "11")]
    max_run_time: Option<Duration>,
}

/// Leased jobs as workers get them, each an encoded `LeasedJob`: one content for each grant.
pub(crate) fn encoded_jobs(
    tokens: &Tokens,
    grants: impl ExactSizeIterator<Item = Grant>,
    contents: &[Content],
    offset: WallOffset,
) -> Vec<Bytes> {
    let bytes = contents
        .iter()
        .map(|content| content.headers.len() + content.payload.len() + JOB_BYTES);
    let mut buffer = BytesMut::with_capacity(bytes.sum());
    let jobs = grants.zip(contents).map(|(grant, content)| {
        write(tokens, offset, grant, content, &mut buffer);
        buffer.split().freeze()
    });
    jobs.collect()
}

fn write(tokens: &Tokens, offset: WallOffset, grant: Grant, content: &Content, to: &mut BytesMut) {
    to.put_u8(key::ID);
    to.put_u8(ID_BYTES as u8);
    write_id(grant.id, to);
    to.put_u8(key::LEASE_TOKEN);
    to.put_u8(TOKEN_BYTES as u8);
    let lease = LeaseRef {
        job: grant.job,
        lease: grant.lease,
    };
    tokens.write(lease, to);
    if !content.payload.is_empty() {
        to.put_u8(key::PAYLOAD);
        put_varint(content.payload.len() as u64, to);
        to.put_slice(&content.payload);
    }
    for (key, number) in [
        (key::ATTEMPT, u64::from(grant.attempt)),
        (key::MAX_ATTEMPTS, u64::from(grant.max_attempts)),
        (key::FENCING_NUMBER, grant.lease.0),
    ] {
        to.put_u8(key);
        put_varint(number, to);
    }
    let rest = Rest {
        headers: headers::decode(content.headers.clone()),
        priority: grant.priority,
        put_time: Some(timestamp(grant.id.put_time(), offset)),
        outcome: grant.outcome.map(|it| outcome(*it)),
        max_run_time: grant.run_time_max.map(wire_duration),
    };
    rest.encode_raw(to);
}

/// A number as protobuf has it: seven bits in each byte, the lowest first.
fn put_varint(mut number: u64, to: &mut BytesMut) {
    while number >= 0x80 {
        to.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaseq_engine::id::{JobId, JobSeq, LeaseNumber, NamespaceTag, QueueName};
    use leaseq_engine::time::Time;
    use leaseq_engine::transition::{End, Outcome};
    use proptest::prelude::*;

    prop_compose! {
        fn grants()(
            job in 1..=JobId::SEQ_MAX,
            lease: u64,
            millis in 0..1_u64 << 48,
            attempt: u32,
            max_attempts: u32,
            priority: i32,
            run_time in prop::option::of(0..1_000_000_u64),
            error in prop::option::of(".{0,300}"),
        ) -> Grant {
            let (job, tag) = (JobSeq(job), NamespaceTag::new(7));
            let id = JobId::new(job, Time::from_millis(millis), tag);
            let outcome = error.map(|error| Box::new(Outcome {
                job: id,
                queue: QueueName::new("numbers").expect("a name"),
                end: End::Dead,
                error: error.into(),
                attempts: 3,
            }));
            Grant {
                job,
                id,
                lease: LeaseNumber(lease),
                attempt,
                max_attempts,
                priority,
                run_time_max: run_time.map(std::time::Duration::from_millis),
                outcome,
            }
        }
    }

    prop_compose! {
        fn contents()(
            headers in prop::collection::btree_map(".{0,20}", ".{0,200}", 0..4),
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) -> (BTreeMap<String, String>, Content) {
            let content = Content {
                headers: headers::encode(headers.clone()),
                payload: payload.into(),
            };
            (headers, content)
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_generated_code(
            jobs in prop::collection::vec((grants(), contents()), 0..5)
        ) {
            let tokens = Tokens::new(&[7; 16]);
            let offset = WallOffset::new(3_600_000);
            let expected = jobs.iter().cloned().map(|(grant, (headers, content))| v1::LeasedJob {
                id: grant.id.to_string(),
                lease_token: tokens.token(LeaseRef { job: grant.job, lease: grant.lease }),
                payload: content.payload,
                headers,
                attempt: grant.attempt,
                max_attempts: grant.max_attempts,
                fencing_number: grant.lease.0,
                priority: grant.priority,
                put_time: Some(timestamp(grant.id.put_time(), offset)),
                outcome: grant.outcome.map(|it| outcome(*it)),
                max_run_time: grant.run_time_max.map(wire_duration),
            });
            let expected: Vec<_> = expected.collect();
            let (grants, contents): (Vec<_>, Vec<_>) = jobs
                .into_iter()
                .map(|(grant, (_, content))| (grant, content))
                .unzip();
            let encoded = encoded_jobs(&tokens, grants.into_iter(), &contents, offset);
            let decoded: Result<Vec<_>, _> =
                encoded.into_iter().map(v1::LeasedJob::decode).collect();
            prop_assert_eq!(decoded.expect("right"), expected);
        }
    }
}
