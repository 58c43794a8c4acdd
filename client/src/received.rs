//! `leaseq.v1.LeasedJob` as a worker wants it: what every job has is at hand, what few jobs have is
//! out of the way, and only the payload and the token are slices of what was received.

use std::collections::BTreeMap;

use ::bytes::{Buf, Bytes};
use leaseq_proto::v1 as proto;
use prost::encoding::{
    DecodeContext, WireType, bytes, check_wire_type, decode_key, int32, message, skip_field,
    uint32, uint64,
};
use prost::{DecodeError, Message};
use prost_types::{Duration, Timestamp};

use crate::job_id::JobId;

/// A leased job that was received.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Received {
    pub(crate) id: JobId,
    pub(crate) lease_token: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) fencing_number: u64,
    pub(crate) priority: i32,
    pub(crate) put_time: Option<Timestamp>,
    /// What few jobs have.
    pub(crate) rest: Option<Box<Rest>>,
}

/// The other fields of `leaseq.v1.LeasedJob`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Rest {
    #[prost(btree_map = "string, string", tag = "4")]
    pub(crate) headers: BTreeMap<String, String>,
    #[prost(message, optional, tag = "10")]
    pub(crate) outcome: Option<proto::Outcome>,
    #[prost(message, optional, tag = "11")]
    pub(crate) max_run_time: Option<Duration>,
}

impl Received {
    /// Reads an encoded `LeasedJob`.
    pub(crate) fn decode(mut encoded: Bytes) -> Result<Self, DecodeError> {
        let mut job = Self::empty();
        while encoded.has_remaining() {
            let (tag, wire_type) = decode_key(&mut encoded)?;
            job.merge_field(tag, wire_type, &mut encoded)?;
        }
        Ok(job)
    }

    fn empty() -> Self {
        Self {
            id: JobId::from(""),
            lease_token: Bytes::new(),
            payload: Bytes::new(),
            attempt: 0,
            max_attempts: 0,
            fencing_number: 0,
            priority: 0,
            put_time: None,
            rest: None,
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut Bytes,
    ) -> Result<(), DecodeError> {
        let ctx = DecodeContext::default();
        match tag {
            1 => merge_id(&mut self.id, wire_type, buf),
            2 => bytes::merge(wire_type, &mut self.lease_token, buf, ctx),
            3 => bytes::merge(wire_type, &mut self.payload, buf, ctx),
            5 => uint32::merge(wire_type, &mut self.attempt, buf, ctx),
            6 => uint32::merge(wire_type, &mut self.max_attempts, buf, ctx),
            7 => uint64::merge(wire_type, &mut self.fencing_number, buf, ctx),
            8 => int32::merge(wire_type, &mut self.priority, buf, ctx),
            9 => {
                let time = self.put_time.get_or_insert_default();
                message::merge(wire_type, time, buf, ctx)
            }
            // The tags of `Rest`.
            4 | 10 | 11 => {
                let rest = self.rest.get_or_insert_default();
                rest.merge_field(tag, wire_type, buf, ctx)
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }
}

/// Copies an id where it is, without one more owner of what was received.
fn merge_id(id: &mut JobId, wire_type: WireType, buf: &mut Bytes) -> Result<(), DecodeError> {
    check_wire_type(WireType::LengthDelimited, wire_type)?;
    let text = match buf.split_first() {
        Some((len, rest)) if *len < 0x80 => rest.get(..usize::from(*len)),
        _ => None,
    };
    let Some(text) = text else {
        // Longer than an id, or not all there: generated code knows what to say.
        let mut text = Bytes::new();
        bytes::merge(wire_type, &mut text, buf, DecodeContext::default())?;
        *id = read_id(&text);
        return Ok(());
    };
    let read = 1 + text.len();
    *id = read_id(text);
    buf.advance(read);
    Ok(())
}

fn read_id(text: &[u8]) -> JobId {
    // Servers send text, and a job with another id is still a job.
    JobId::from(std::str::from_utf8(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> proto::LeasedJob {
        let time = |seconds| Timestamp { seconds, nanos: 7 };
        proto::LeasedJob {
            id: id.to_owned(),
            lease_token: Bytes::from_static(b"token"),
            payload: Bytes::from_static(b"7872"),
            attempt: 2,
            max_attempts: 300,
            fencing_number: u64::MAX,
            priority: -3,
            put_time: Some(time(1_763_899_200)),
            ..proto::LeasedJob::default()
        }
    }

    #[track_caller]
    fn check(job: &proto::LeasedJob) {
        let received = Received::decode(job.encode_to_vec().into()).expect("a job");
        let rest = received.rest.clone().unwrap_or_default();
        let again = proto::LeasedJob {
            id: received.id.into(),
            lease_token: received.lease_token,
            payload: received.payload,
            headers: rest.headers,
            attempt: received.attempt,
            max_attempts: received.max_attempts,
            fencing_number: received.fencing_number,
            priority: received.priority,
            put_time: received.put_time,
            outcome: rest.outcome,
            max_run_time: rest.max_run_time,
        };
        assert_eq!(&again, job);
    }

    #[test]
    fn every_field_is_read() {
        check(&proto::LeasedJob::default());
        for id in [
            "",
            "7",
            "0199c7a5-9b1d-7c53-a1f0-5b0f6d3c8a11",
            &"x".repeat(200),
        ] {
            check(&job(id));
        }
        check(&proto::LeasedJob {
            headers: [("k".to_owned(), "v".to_owned())].into(),
            outcome: Some(proto::Outcome::default()),
            max_run_time: Some(Duration::default()),
            ..job("7")
        });
    }

    #[test]
    fn a_plain_job_has_no_rest_and_what_is_unknown_is_skipped() {
        let mut encoded = job("7").encode_to_vec();
        encoded.extend([0x78, 1]); // field 15, a number
        let received = Received::decode(encoded.into()).expect("a job");
        assert_eq!((received.rest, received.attempt), (None, 2));
    }

    #[test]
    fn an_id_that_is_not_text_is_none() {
        let received = Received::decode(Bytes::from_static(&[0x0a, 2, 0xff, 0xfe, 0x28, 9]));
        let received = received.expect("a job");
        assert_eq!((received.id.as_str(), received.attempt), ("", 9));
    }

    #[test]
    fn what_is_cut_off_is_refused_and_nothing_panics() {
        let whole = Bytes::from(job("0199c7a5-9b1d-7c53-a1f0-5b0f6d3c8a11").encode_to_vec());
        for end in 0..whole.len() {
            let ours = Received::decode(whole.slice(..end)).is_ok();
            let generated = proto::LeasedJob::decode(whole.slice(..end)).is_ok();
            assert_eq!(ours, generated, "{end} bytes");
        }
        assert!(Received::decode(Bytes::from_static(&[0x08, 1])).is_err());
    }
}
