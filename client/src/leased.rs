//! A job with the right to run it, and the verdicts that end that right.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use leaseq_proto::v1 as proto;
use proto::settlement::Verdict as ProtoVerdict;

use crate::error::{Error, Result};
use crate::job::Outcome;
use crate::received::Received;
use crate::wire;

/// The proof of a lease. It is shown as hexadecimal digits, and read back from them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseToken(pub(crate) Bytes);

impl LeaseToken {
    /// The token's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for LeaseToken {
    fn from(token: Bytes) -> Self {
        Self(token)
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseToken({self})")
    }
}

impl FromStr for LeaseToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::LeaseTokenInvalid {
            message: format!(
                "{text:?} is not a lease token: it has hexadecimal digits, two for each byte"
            ),
        };
        if text.is_empty() || !text.len().is_multiple_of(2) {
            return Err(bad());
        }
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect();
        let bytes: Vec<u8> = digits
            .ok_or_else(bad)?
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |n, d| n << 4 | d))
            .collect();
        Ok(Self(bytes.into()))
    }
}

/// A job with the right to run it.
#[derive(Clone, PartialEq, Debug)]
pub struct LeasedJob(Received);

impl LeasedJob {
    /// The jobs of an answer, each an encoded `LeasedJob`.
    pub(crate) fn all(encoded: Vec<Bytes>) -> Result<Vec<Self>> {
        // Not collected: a collection of results does not know its size and grows job by job.
        let mut jobs = Vec::with_capacity(encoded.len());
        for job in encoded {
            let job = Received::decode(job).map_err(|error| Error::Internal {
                message: format!("the server sent a job that cannot be read: {error}"),
            })?;
            jobs.push(Self(job));
        }
        Ok(jobs)
    }

    /// The job's id.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The proof of the lease, for settling and extending.
    pub fn token(&self) -> LeaseToken {
        LeaseToken(self.0.lease_token.clone())
    }

    /// What the master put. For an outcome job: the result.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// What the master put beside it.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        self.0.rest.as_ref().map_or(NONE, |rest| &rest.headers)
    }

    /// One of the headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name).map(String::as_str)
    }

    /// Which attempt this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// How many attempts the job has in all.
    pub fn max_attempts(&self) -> u32 {
        self.0.max_attempts
    }

    /// Grows with every lease the server grants and is never used twice. Send it along with writes
    /// to other systems and let them refuse a lower one than they have seen.
    pub fn fencing_number(&self) -> u64 {
        self.0.fencing_number
    }

    /// The job's priority.
    pub fn priority(&self) -> i32 {
        self.0.priority
    }

    /// When the job was put.
    pub fn put_time(&self) -> Option<SystemTime> {
        wire::from_timestamp(self.0.put_time)
    }

    /// The longest this attempt may run.
    pub fn max_run_time(&self) -> Option<Duration> {
        wire::from_duration(self.0.rest.as_ref()?.max_run_time)
    }

    /// For an outcome job: which job ended, and how.
    pub fn outcome(&self) -> Option<Outcome> {
        let outcome = self.0.rest.as_ref()?.outcome.clone();
        outcome.map(Outcome::from_proto)
    }

    /// The payload as text.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.0.payload).map_err(|error| Error::Payload {
            message: error.to_string(),
        })
    }

    /// The payload as a value that was put with [`NewJob::json`](crate::NewJob::json).
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        crate::json::from_slice(&self.0.payload)
    }

    /// The verdict that the job is done, with its result.
    pub fn complete(&self, result: impl Into<Bytes>) -> Settlement {
        Settlement::new(
            self.token(),
            Verdict::Complete {
                result: result.into(),
            },
        )
    }

    /// The verdict that the attempt failed; the job is retried or, after its last attempt, dead.
    pub fn fail(&self, error: impl Into<String>) -> Settlement {
        Settlement::new(
            self.token(),
            Verdict::Fail {
                error: error.into(),
                retry_delay: None,
            },
        )
    }

    /// The verdict that the job can never succeed; it is dead then.
    pub fn reject(&self, error: impl Into<String>) -> Settlement {
        Settlement::new(
            self.token(),
            Verdict::Reject {
                error: error.into(),
            },
        )
    }

    /// Gives the job back at once, in its old place; the attempt is not counted.
    pub fn release(&self) -> Settlement {
        Settlement::new(self.token(), Verdict::Release { delay: None })
    }
}

/// What happened to a leased job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is done.
    Complete {
        /// Opaque bytes for whoever waits for the outcome.
        result: Bytes,
    },
    /// The attempt failed; the job is retried or, after its last attempt, dead.
    Fail {
        /// What went wrong, for people.
        error: String,
        /// Overrides the retry policy for this once.
        retry_delay: Option<Duration>,
    },
    /// It can never succeed; it is dead then.
    Reject {
        /// Why, for people.
        error: String,
    },
    /// The worker gives it back; the attempt is not counted.
    Release {
        /// Not ready again before this much time has passed. `None`: at once, in its old place.
        delay: Option<Duration>,
    },
}

/// A verdict on one leased job.
#[derive(Clone, PartialEq, Debug)]
pub struct Settlement(pub(crate) proto::Settlement);

impl Settlement {
    /// A verdict on the job that this lease is for.
    pub fn new(token: LeaseToken, verdict: Verdict) -> Self {
        let verdict = match verdict {
            Verdict::Complete { result } => ProtoVerdict::Complete(proto::Complete { result }),
            Verdict::Fail { error, retry_delay } => ProtoVerdict::Fail(proto::Fail {
                error,
                retry_delay: retry_delay.map(wire::duration),
            }),
            Verdict::Reject { error } => ProtoVerdict::Reject(proto::Reject { error }),
            Verdict::Release { delay } => ProtoVerdict::Release(proto::Release {
                delay: delay.map(wire::duration),
            }),
        };
        Self(proto::Settlement {
            lease_token: token.0,
            verdict: Some(verdict),
        })
    }

    /// The lease that it ends.
    pub fn token(&self) -> LeaseToken {
        LeaseToken(self.0.lease_token.clone())
    }
}

/// The most entries in one Settle or Extend.
pub(crate) const BATCH_ENTRIES_MAX: usize = 1000;
/// About how many bytes of results go into one Settle. A server takes requests of 4 MiB unless
/// told otherwise, and one result of 1 MiB.
const BATCH_BYTES_MAX: usize = 2 << 20;

/// Cuts verdicts into requests that the server takes.
pub(crate) fn batches(
    settlements: Vec<Settlement>,
) -> impl Iterator<Item = Vec<proto::Settlement>> {
    let mut rest: Vec<_> = settlements
        .into_iter()
        .map(|settlement| settlement.0)
        .collect();
    std::iter::from_fn(move || {
        let later = rest.split_off(first_batch(&rest));
        let batch = std::mem::replace(&mut rest, later);
        (!batch.is_empty()).then_some(batch)
    })
}

/// How many of these, from the first on, go into one request.
pub(crate) fn first_batch<'a>(
    settlements: impl IntoIterator<Item = &'a proto::Settlement>,
) -> usize {
    let mut bytes = 0;
    let fits = |settlement: &&proto::Settlement| {
        let size = size(settlement);
        // The first one always does: whether it is too large is for the server to say.
        let fits = bytes == 0 || bytes + size <= BATCH_BYTES_MAX;
        bytes += size;
        fits
    };
    settlements
        .into_iter()
        .take(BATCH_ENTRIES_MAX)
        .take_while(fits)
        .count()
}

/// About how many bytes a verdict takes in a request.
fn size(settlement: &proto::Settlement) -> usize {
    /// The token, and the framing of the fields.
    const OVERHEAD: usize = 64;
    let text = match &settlement.verdict {
        Some(ProtoVerdict::Complete(complete)) => complete.result.len(),
        Some(ProtoVerdict::Fail(fail)) => fail.error.len(),
        Some(ProtoVerdict::Reject(reject)) => reject.error.len(),
        Some(ProtoVerdict::Release(_)) | None => 0,
    };
    text + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completions(results: &[usize]) -> Vec<Settlement> {
        let token = LeaseToken(Bytes::from_static(b"t"));
        let verdict = |size: &usize| Verdict::Complete {
            result: vec![0; *size].into(),
        };
        results
            .iter()
            .map(|size| Settlement::new(token.clone(), verdict(size)))
            .collect()
    }

    #[track_caller]
    fn check(results: &[usize], expected: &[usize]) {
        let lengths: Vec<_> = batches(completions(results))
            .map(|batch| batch.len())
            .collect();
        assert_eq!(lengths, expected);
    }

    #[test]
    fn verdicts_are_cut_into_requests_that_the_server_takes() {
        check(&[], &[]);
        check(&[0; 999], &[999]);
        check(&[0; 2001], &[1000, 1000, 1]);
        check(&[1 << 20; 3], &[1, 1, 1]);
        check(&[1 << 19; 5], &[3, 2]);
        check(&[5 << 20, 1, 1], &[1, 2]);
    }

    #[test]
    fn a_token_is_read_back_from_what_it_shows() {
        let token = LeaseToken::from(Bytes::from_static(&[0, 1, 0xab, 0xff]));
        assert_eq!(token.to_string(), "0001abff");
        assert_eq!("0001abff".parse::<LeaseToken>().unwrap(), token);
        for garbage in ["", "0", "zz", "0x12", "é1"] {
            assert!(garbage.parse::<LeaseToken>().is_err(), "{garbage}");
        }
    }
}
