//! What tells a repeat of a Put from a new one: its request id, which belongs to the queue, and
//! a hash of its jobs.

use std::hash::Hasher;

use leaseq_engine::command::Repeatable;
use leaseq_engine::id::{JobsHash, QueueName, RequestId};
use leaseq_proto::v1;
use prost::Message;
use siphasher::sip128::{Hasher128, SipHasher13};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bytes of a hash.
const HASH_BYTES: usize = 16;

/// What a repeat of this Put has in common with it. `key` belongs to the namespace and outlives
/// the process, as what is remembered does.
pub(crate) fn repeatable(
    key: &[u8; 16],
    queue: &QueueName,
    uuid: RequestId,
    jobs: &[v1::NewJob],
) -> Repeatable {
    // Keyed, so that a client cannot choose a UUID that collides with one of another queue.
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(queue.as_str().as_bytes());
    hasher.write(&[0]);
    hasher.write(&uuid.0.to_be_bytes());
    let seed = key
        .first_chunk()
        .map_or(0, |half| u64::from_le_bytes(*half));
    Repeatable {
        id: RequestId(hasher.finish128().as_u128()),
        uuid,
        jobs: jobs_hash(seed, jobs),
    }
}

/// The hash of the hashes of all jobs. As they were sent: of a delay, not of the moment that it
/// comes to, which is another one when the Put is repeated.
fn jobs_hash(seed: u64, jobs: &[v1::NewJob]) -> JobsHash {
    let mut hashes = Vec::with_capacity(jobs.len() * (HASH_BYTES + 1));
    let mut options = Vec::new();
    for job in jobs {
        hashes.extend(xxh3_128_with_seed(&job.payload, seed).to_le_bytes());
        options.clear();
        if let Some(told) = &job.options {
            told.encode_raw(&mut options);
        }
        // All settings at their defaults are the same as none.
        hashes.push(u8::from(!options.is_empty()));
        if !options.is_empty() {
            hashes.extend(xxh3_128_with_seed(&options, seed).to_le_bytes());
        }
    }
    JobsHash(xxh3_128_with_seed(&hashes, seed).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(payload: &str, options: Option<v1::JobOptions>) -> v1::NewJob {
        v1::NewJob {
            payload: payload.to_owned().into(),
            options: options.map(Box::new),
        }
    }

    fn with_header(key: &str, value: &str) -> Option<v1::JobOptions> {
        Some(v1::JobOptions {
            headers: [(key.to_owned(), value.to_owned())].into(),
            ..v1::JobOptions::default()
        })
    }

    #[test]
    fn all_that_was_said_of_jobs_and_their_order_counts() {
        let urgent = Some(v1::JobOptions {
            priority: 1,
            ..v1::JobOptions::default()
        });
        let puts = [
            vec![job("a", None), job("b", None)],
            vec![job("b", None), job("a", None)],
            vec![job("ab", None), job("", None)],
            vec![job("ab", None)],
            vec![job("a", None), job("b", urgent.clone())],
            vec![job("a", urgent), job("b", None)],
            vec![job("a", with_header("k", "v")), job("b", None)],
            vec![job("a", with_header("kv", "")), job("b", None)],
        ];
        let hashes: Vec<_> = puts.iter().map(|jobs| jobs_hash(1, jobs)).collect();
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{:?}", puts[at]);
        }
        let default = Some(v1::JobOptions::default());
        let said = vec![job("a", default), job("b", None)];
        assert_eq!(jobs_hash(1, &said), hashes[0], "defaults that were sent");
    }

    /// Request ids outlive the process that made them: their form may not change unnoticed.
    #[test]
    fn the_hashes_are_fixed() {
        let queue = QueueName::new("q").unwrap();
        let jobs = [job("a", None), job("b", with_header("k", "v"))];
        let put = repeatable(b"0123456789abcdef", &queue, RequestId(7), &jobs);
        let other = QueueName::new("r").unwrap();
        let elsewhere = repeatable(b"0123456789abcdef", &other, RequestId(7), &[]);
        assert_ne!(put.id, elsewhere.id, "each queue has its own");
        assert_eq!(put.id.0, 0xa390_febf_29d9_a793_656d_7fa1_d8c0_edbc);
        let jobs = u128::from_be_bytes(put.jobs.0);
        assert_eq!(jobs, 0xf8d0_cbaa_cd30_e164_d809_6251_2b1a_3dd4);
    }
}
