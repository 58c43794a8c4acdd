//! Who calls, and until when it waits for the answer.

use std::time::Duration;

use leaseq_engine::id::{JobId, QueueName};
use leaseq_engine::time::Time;
use tonic::Request;
use tonic::metadata::MetadataMap;

use super::convert::text::{id_text, job_id, queue_name};
use super::convert::time::duration;
use super::fault::{Fault, Invalid};
use crate::auth::Identity;
use crate::credit::Credit;
use crate::listener::Standing;
use crate::shard::Refusal;
use crate::telemetry::Audited;

/// An answer leaves at least this much before the caller's deadline, or a twentieth of it if that
/// is more: a caller whose deadline has passed cannot tell "nothing came" from "it was lost".
const MARGIN_MIN: Duration = Duration::from_millis(100);

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The caller's key and what it may do.
    pub(crate) identity: Identity,
    /// How long the caller waits for the answer, if it said so.
    deadline_in: Option<Duration>,
    /// Takes the names in the call, if it is audited.
    audited: Option<Audited>,
    /// The credit for answers on the caller's connection.
    pub(crate) credit: Option<Credit>,
}

impl Caller {
    /// The caller of `request`.
    ///
    /// # Errors
    /// When authentication did not leave an identity: then the call must not go on.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Fault> {
        let identity = request.extensions().get::<Identity>().cloned();
        Ok(Self {
            identity: identity.ok_or(Fault::Bug("a call without an identity"))?,
            deadline_in: grpc_timeout(request.metadata()),
            audited: request.extensions().get::<Audited>().cloned(),
            credit: request.extensions().get::<Standing>().map(Standing::credit),
        })
    }

    /// The queue named in `field`, which the caller may use.
    ///
    /// # Errors
    /// When it is no name of a queue, or not one of the caller's.
    pub(crate) fn queue(&self, field: &str, name: &str) -> Result<QueueName, Fault> {
        let queue = queue_name(field, name)?;
        if let Some(audited) = &self.audited {
            audited.set_queue(queue.as_str());
        }
        if !self.identity.permits(&queue) {
            return Err(Fault::not_permitted(&queue));
        }
        Ok(queue)
    }

    /// The job whose id is in `field`.
    ///
    /// # Errors
    /// When it is no id of a job.
    pub(crate) fn job(&self, field: &str, id: &str) -> Result<JobId, Fault> {
        let job = job_id(field, id)?;
        if let Some(audited) = &self.audited {
            audited.set_job(&id_text(job));
        }
        Ok(job)
    }

    /// The answer to a call. One that is `held` open ends when the key is revoked: it gets nothing
    /// any more that the key was needed for. Dropping `answer` abandons the call.
    ///
    /// # Errors
    /// Those of the shard, and the revocation.
    pub(crate) async fn unless_revoked<T>(
        &self,
        held: bool,
        answer: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Fault> {
        if !held {
            return Ok(answer.await?);
        }
        tokio::select! {
            biased;
            answer = answer => Ok(answer?),
            () = self.identity.revoked() => Err(Fault::Revoked),
        }
    }

    /// Until when a call that said `wait` is held open; `None`: it is answered at once. Without
    /// `wait`, until shortly before the caller's deadline; and never longer than `wait_max`.
    ///
    /// # Errors
    /// When `wait` is negative or no duration at all.
    pub(crate) fn wait_until(
        &self,
        wait: Option<&prost_types::Duration>,
        now: Time,
        wait_max: Duration,
    ) -> Result<Option<Time>, Invalid> {
        let wait = wait.map(|wire| duration("wait", wire)).transpose()?;
        let room = self
            .deadline_in
            .map(|left| left.saturating_sub(MARGIN_MIN.max(left / 20)));
        let longest = match (wait, room) {
            (Some(wait), Some(room)) => wait.min(room),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => Duration::ZERO,
        };
        let longest = longest.min(wait_max);
        Ok((!longest.is_zero()).then(|| now.after(longest)))
    }
}

/// The time that `grpc-timeout` gives: at most eight digits and a unit. What cannot be read is
/// none, as gRPC has it.
fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = Some(digits)
        .filter(|digits| digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit()))?
        .parse()
        .ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;
    use leaseq_engine::id::Scope;

    const WAIT_MAX: Duration = Duration::from_secs(600);

    fn caller(timeout: Option<&str>) -> Caller {
        let mut metadata = MetadataMap::new();
        if let Some(timeout) = timeout {
            let value = timeout.parse().expect("ascii");
            metadata.insert("grpc-timeout", value);
        }
        Caller {
            identity: Identity::new("key", &[Role::Admin], Scope::All),
            deadline_in: grpc_timeout(&metadata),
            audited: None,
            credit: None,
        }
    }

    fn waits(timeout: Option<&str>, wait: Option<i64>) -> Option<u64> {
        let now = Time::from_millis(1_000_000);
        let wait = wait.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        caller(timeout)
            .wait_until(wait.as_ref(), now, WAIT_MAX)
            .expect("right")
            .map(|until| until.as_millis() - now.as_millis())
    }

    #[test]
    fn a_call_waits_as_long_as_it_says() {
        assert_eq!(waits(None, Some(7)), Some(7_000));
        assert_eq!(waits(None, Some(0)), None);
        assert_eq!(waits(None, None), None);
        assert_eq!(waits(None, Some(100_000)), Some(600_000));
    }

    #[test]
    fn the_answer_leaves_before_the_deadline() {
        assert_eq!(waits(Some("1S"), None), Some(900));
        assert_eq!(waits(Some("100S"), None), Some(95_000));
        assert_eq!(waits(Some("1S"), Some(5)), Some(900));
        assert_eq!(waits(Some("10S"), Some(5)), Some(5_000));
        assert_eq!(waits(Some("50m"), None), None);
        assert_eq!(waits(Some("2H"), None), Some(600_000));
    }

    #[test]
    fn a_deadline_that_cannot_be_read_is_none() {
        for strange in ["", "5", "S", "5X", "123456789S", "-1S", "+1S", "1.5S"] {
            assert_eq!(waits(Some(strange), None), None, "{strange:?}");
        }
    }
}
