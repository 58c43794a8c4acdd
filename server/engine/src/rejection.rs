//! Why a rule said no. Normal, not an error of the server; nothing has changed.

use crate::id::{JobId, QueueName};
use crate::space::Unwritten;
use crate::transition::{JobState, VerdictKind};

/// A rule said no. The texts are for people who called: what, to what, what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is no such queue.
    #[error(
        "there is no queue {queue:?}; create it, or put a job on it if the server may create queues"
    )]
    QueueNotFound {
        /// The name.
        queue: QueueName,
    },
    /// There is no such job, or nothing of it is kept.
    #[error(
        "there is no job {job}; it was never put here, or it has ended and its result_retention is over"
    )]
    JobNotFound {
        /// The id.
        job: JobId,
    },
    /// A queue of this name exists.
    #[error("the queue {queue:?} exists already")]
    QueueExists {
        /// The name.
        queue: QueueName,
    },
    /// The queue holds jobs.
    #[error("the queue {queue:?} still holds {jobs} jobs; purge it first or delete it with force")]
    QueueNotEmpty {
        /// The name.
        queue: QueueName,
        /// How many.
        jobs: u64,
    },
    /// The settings were changed by someone else.
    #[error("the queue {queue:?} was changed since it was read; read it again")]
    RevisionMismatch {
        /// The name.
        queue: QueueName,
    },
    /// The queue holds all the jobs it may.
    #[error("the queue {queue:?} is full ({jobs_max} jobs); retry later, or put with a wait")]
    QueueFull {
        /// The name.
        queue: QueueName,
        /// Its bound.
        jobs_max: u64,
    },
    /// The queue has no room for the outcomes of these jobs.
    #[error(
        "the reply_to queue {queue:?} has no room for the outcomes: its jobs and the outcomes still to come reach its max_jobs of {jobs_max}; collect outcomes and retry"
    )]
    ReplyQueueFull {
        /// The `reply_to` queue.
        queue: QueueName,
        /// Its bound.
        jobs_max: u64,
    },
    /// The caller may not touch this queue.
    #[error("this key may not use the queue {queue:?}")]
    QueueNotPermitted {
        /// The name.
        queue: QueueName,
    },
    /// The request id belongs to a different Put.
    #[error(
        "the request_id was used on this queue for a Put of other jobs; use a new UUID for each Put"
    )]
    RequestIdReused,
    /// The bytes are no token of this server.
    #[error("this is not a lease token of this server")]
    TokenInvalid,
    /// The lease has ended.
    #[error("the lease has ended: {}", lost_detail(.state))]
    LeaseLost {
        /// Where the job is now; `None`: gone.
        state: Option<JobState>,
    },
    /// The lease was settled with another verdict.
    #[error("the lease was settled before, with {verdict:?}")]
    AlreadySettled {
        /// The first verdict.
        verdict: VerdictKind,
    },
    /// The job has ended.
    #[error("the job {job} has ended already ({state:?})")]
    JobEnded {
        /// The id.
        job: JobId,
        /// How.
        state: JobState,
    },
    /// The content of the job cannot be read from the disk.
    #[error(
        "the content of job {job} is damaged on the server's disk and cannot be read; its state can: ask for the job without its content"
    )]
    ContentDamaged {
        /// The id.
        job: JobId,
    },
    /// There is no such session (any more).
    #[error("the session has ended; open a new stream")]
    SessionNotFound,
    /// A limit of the server is reached.
    #[error("the server's limit {limit} of {max} is reached; retry later or raise it")]
    LimitReached {
        /// The configuration key of the limit.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The disk is full.
    #[error(
        "the server's disk is full, so it {} for now; retry later, or make room on the disk of \
         the data directory",
        .what.what()
    )]
    DiskFull {
        /// What is not written.
        what: Unwritten,
    },
    /// The server is shutting down.
    #[error(
        "the server is shutting down; retry, another instance or the restarted one will answer"
    )]
    Draining,
}

fn lost_detail(state: &Option<JobState>) -> &'static str {
    match state {
        None => "the job has ended",
        Some(JobState::Leased) => "the job was leased again, by someone else",
        Some(JobState::Ready | JobState::Scheduled) => "the job waits to be leased again",
        Some(JobState::Completed) => "the job is completed",
        Some(JobState::Dead) => "the job is dead",
        Some(JobState::Cancelled) => "the job was cancelled",
    }
}
