//! A job as a master puts it, and where a job is in its life.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use leaseq_proto::v1 as proto;

use crate::job_id::JobId;
use crate::wire;

/// A job to put. Only the payload is usual; everything else has a default of the queue.
///
/// ```
/// use std::time::Duration;
/// use leaseq_client::NewJob;
///
/// let job = NewJob::new("resize 4711.png")
///     .priority(10)
///     .delay(Duration::from_secs(60))
///     .header("content-type", "text/plain")
///     .reply_to("resized");
/// # let _ = job;
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewJob(pub(crate) proto::NewJob);

impl NewJob {
    /// A job with this payload: opaque bytes, never looked at by the server.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self(proto::NewJob::new(payload))
    }

    /// A small text value that travels with the job, such as a content type.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0
            .options_mut()
            .headers
            .insert(name.into(), value.into());
        self
    }

    /// Higher is leased first; equal priorities go in put order. -1000 to 1000, default 0.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.0.options_mut().priority = priority;
        self
    }

    /// Not ready before this much time has passed since the Put.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.0.options_mut().start = Some(proto::new_job::Start::Delay(wire::duration(delay)));
        self
    }

    /// Not ready before this moment.
    #[must_use]
    pub fn ready_time(mut self, time: SystemTime) -> Self {
        self.0.options_mut().start = Some(proto::new_job::Start::ReadyTime(time.into()));
        self
    }

    /// How often the job may be leased before a failure makes it dead.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.0.options_mut().max_attempts = attempts;
        self
    }

    /// The waits between attempts.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.0.options_mut().retry = Some(policy.into_proto());
        self
    }

    /// The queue that gets an outcome job, with the result, in the same commit that ends this job.
    #[must_use]
    pub fn reply_to(mut self, queue: impl Into<String>) -> Self {
        self.0.options_mut().reply_to = queue.into();
        self
    }

    /// The longest one attempt may run, whatever the worker's liveness.
    #[must_use]
    pub fn max_run_time(mut self, limit: Duration) -> Self {
        self.0.options_mut().max_run_time = Some(wire::duration(limit));
        self
    }

    /// How long the job and its result can still be read after it has ended.
    #[must_use]
    pub fn result_retention(mut self, retention: Duration) -> Self {
        self.0.options_mut().result_retention = Some(wire::duration(retention));
        self
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// About how many bytes the job takes in a request.
    pub(crate) fn size(&self) -> usize {
        /// Ids, numbers and the framing of a field; what matters is that it is not less.
        const OVERHEAD: usize = 128;
        let options = self.0.options.as_ref().map_or(0, |options| {
            let headers = options.headers.iter();
            let headers = headers.map(|(name, value)| name.len() + value.len() + 16);
            headers.sum::<usize>() + options.reply_to.len()
        });
        self.0.payload.len() + options + OVERHEAD
    }
}

impl From<Bytes> for NewJob {
    fn from(payload: Bytes) -> Self {
        Self::new(payload)
    }
}

impl From<Vec<u8>> for NewJob {
    fn from(payload: Vec<u8>) -> Self {
        Self::new(payload)
    }
}

impl From<String> for NewJob {
    fn from(payload: String) -> Self {
        Self::new(payload)
    }
}

impl From<&str> for NewJob {
    fn from(payload: &str) -> Self {
        Self::new(Bytes::copy_from_slice(payload.as_bytes()))
    }
}

/// How long a job waits between two attempts: `initial_delay * multiplier^(n-1)`, at most
/// `max_delay`, shortened by a random part of up to `jitter`. What is `None` is the server's
/// default.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RetryPolicy {
    /// The wait before the first retry.
    pub initial_delay: Option<Duration>,
    /// No wait is longer than this.
    pub max_delay: Option<Duration>,
    /// The factor from one wait to the next, 1 to 10.
    pub multiplier: Option<f64>,
    /// The part of each wait that is random, from 0 (none) to 1 (all of it).
    pub jitter: Option<f64>,
}

impl RetryPolicy {
    pub(crate) fn into_proto(self) -> proto::RetryPolicy {
        proto::RetryPolicy {
            initial_delay: self.initial_delay.map(wire::duration),
            max_delay: self.max_delay.map(wire::duration),
            multiplier: self.multiplier.unwrap_or_default(),
            jitter: self.jitter,
        }
    }

    pub(crate) fn from_proto(policy: proto::RetryPolicy) -> Self {
        Self {
            initial_delay: wire::from_duration(policy.initial_delay),
            max_delay: wire::from_duration(policy.max_delay),
            multiplier: (policy.multiplier != 0.0).then_some(policy.multiplier),
            jitter: policy.jitter,
        }
    }
}

/// Where a job is in its life.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JobState {
    /// Waits for its time: put with a delay, or between two attempts.
    Scheduled,
    /// Can be leased.
    Ready,
    /// A worker has it.
    Leased,
    /// Done.
    Completed,
    /// Given up after its last attempt, or rejected.
    Dead,
    /// Cancelled before it was done.
    Cancelled,
    /// A state that this client does not know.
    Unknown,
}

impl JobState {
    /// Whether nothing will happen to the job any more (but for a redrive of a dead one).
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// The state in one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn from_proto(state: i32) -> Self {
        match proto::JobState::try_from(state) {
            Ok(proto::JobState::Scheduled) => Self::Scheduled,
            Ok(proto::JobState::Ready) => Self::Ready,
            Ok(proto::JobState::Leased) => Self::Leased,
            Ok(proto::JobState::Completed) => Self::Completed,
            Ok(proto::JobState::Dead) => Self::Dead,
            Ok(proto::JobState::Cancelled) => Self::Cancelled,
            Ok(proto::JobState::Unspecified) | Err(_) => Self::Unknown,
        }
    }

    pub(crate) fn into_proto(self) -> proto::JobState {
        match self {
            Self::Scheduled => proto::JobState::Scheduled,
            Self::Ready => proto::JobState::Ready,
            Self::Leased => proto::JobState::Leased,
            Self::Completed => proto::JobState::Completed,
            Self::Dead => proto::JobState::Dead,
            Self::Cancelled => proto::JobState::Cancelled,
            Self::Unknown => proto::JobState::Unspecified,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for JobState {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALL: [JobState; 6] = [
            JobState::Scheduled,
            JobState::Ready,
            JobState::Leased,
            JobState::Completed,
            JobState::Dead,
            JobState::Cancelled,
        ];
        ALL.into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| {
                let known = ALL.map(Self::as_str).join(", ");
                crate::Error::Config {
                    message: format!("{text:?} is not a job state; use one of {known}"),
                }
            })
    }
}

/// What became of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The job that ended.
    pub job_id: JobId,
    /// The queue it was in.
    pub queue: String,
    /// Completed, dead or cancelled.
    pub state: JobState,
    /// For a dead or cancelled job: the last error, or the reason for the cancellation.
    pub error: Option<String>,
    /// How many attempts were made.
    pub attempts: u32,
}

impl Outcome {
    /// Whether the job is done.
    pub fn is_completed(&self) -> bool {
        self.state == JobState::Completed
    }

    pub(crate) fn from_proto(outcome: proto::Outcome) -> Self {
        Self {
            job_id: outcome.job_id.into(),
            queue: outcome.queue,
            state: JobState::from_proto(outcome.state),
            error: wire::non_empty(outcome.error),
            attempts: outcome.attempts,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "job {} is {} after {} attempts",
            self.job_id, self.state, self.attempts
        )?;
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

/// A job that has ended: how, and with what result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// The result, if it was completed; empty otherwise.
    pub result: Bytes,
}

impl Finished {
    /// The result of a completed job; the outcome of one that is dead or cancelled.
    pub fn into_result(self) -> Result<Bytes, Outcome> {
        if self.outcome.is_completed() {
            Ok(self.result)
        } else {
            Err(self.outcome)
        }
    }
}
