//! What workers ask: leasing jobs, holding leases, and ending them.

use std::time::Duration;

use bytes::Bytes;

use crate::id::{LeaseRef, QueueName, Scope, SessionId, Ticket};
use crate::rejection::Rejection;
use crate::time::Time;

/// Leases jobs of one queue.
#[derive(Clone, PartialEq, Debug)]
pub struct Get {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The queue.
    pub queue: QueueName,
    /// At most this many; at least 1.
    pub jobs_max: usize,
    /// How long the leases last; `None`: as the queue says.
    pub lease_duration: Option<Duration>,
    /// Completes the jobs as they are handed out.
    pub auto_complete: bool,
    /// Until when to wait for the first job; `None`: not at all.
    pub until: Option<Time>,
    /// The worker's name.
    pub worker: Box<str>,
}

/// How much a session may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Jobs delivered and not settled; 0: deliver nothing.
    pub jobs_max: usize,
    /// Bytes delivered and not settled. One larger job is delivered alone.
    pub bytes_max: u64,
}

/// Opens a session.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenSession {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The new session.
    pub session: SessionId,
    /// The queues to lease from, without doubles.
    pub queues: Vec<QueueName>,
    /// The worker's name.
    pub worker: Box<str>,
    /// How much it may hold.
    pub flow: Flow,
    /// How long leases outlive the last sign of life.
    pub lease_duration: Duration,
    /// How long leases outlive the stream.
    pub grace: Duration,
    /// Leases that the worker still holds from an earlier stream.
    pub held: Vec<LeaseRef>,
    /// The queues the caller may touch; held leases of others are lost to it.
    pub scope: Scope,
}

/// Ends leases.
#[derive(Clone, PartialEq, Debug)]
pub struct Settle {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The session it came on, of which it is a sign of life.
    pub session: Option<SessionId>,
    /// The queues the caller may touch.
    pub scope: Scope,
    /// The verdicts. `Err`: an entry that was refused before it got here; it
    /// keeps its place in the answer.
    pub settlements: Vec<Result<Settlement, Rejection>>,
    /// Randomness for the jitter of retries.
    pub random: u64,
}

/// One verdict.
#[derive(Clone, PartialEq, Debug)]
pub struct Settlement {
    /// The lease.
    pub lease: LeaseRef,
    /// What happened.
    pub verdict: Verdict,
}

/// What happened in an attempt.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Done.
    Complete {
        /// For whoever waits for the outcome.
        result: Bytes,
    },
    /// Failed; retried or, after the last attempt, dead.
    Fail {
        /// What went wrong.
        error: Box<str>,
        /// Overrides the retry policy.
        retry_delay: Option<Duration>,
    },
    /// Dead now.
    Reject {
        /// Why.
        error: Box<str>,
    },
    /// Given back uncounted.
    Release {
        /// Not ready before this much time has passed.
        delay: Duration,
    },
}

/// Moves the expiry of leases.
#[derive(Clone, PartialEq, Debug)]
pub struct Extend {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The session it came on, of which it is a sign of life.
    pub session: Option<SessionId>,
    /// The queues the caller may touch.
    pub scope: Scope,
    /// The leases; `Err` as in `Settle`.
    pub leases: Vec<Result<LeaseRef, Rejection>>,
    /// They end this long after now; `None`: as long as they were granted for.
    pub lease_duration: Option<Duration>,
    /// What the worker says of its progress; empty: nothing new.
    pub progress: Box<str>,
}
