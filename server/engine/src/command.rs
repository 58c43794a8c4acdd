//! Everything that can be asked of the engine. Closed: a new variant makes the
//! compiler name every place that has to deal with it.

use std::time::Duration;

use crate::id::{
    JobId, JobSeq, JobsHash, LeaseRef, QueueName, RequestId, Scope, SessionId, Ticket,
};
use crate::settings::{QueueSettings, RetryPolicy};
use crate::time::Time;
use crate::transition::{ClockReading, Content, JobState};

mod leasing;

pub use leasing::{Extend, Flow, Get, OpenSession, Settle, Settlement, Verdict};

/// Something asked of the engine. Values are within the limits of the API: the
/// caller has checked lengths and ranges; the engine checks what depends on state.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Adds jobs.
    Put(Put),
    /// Leases jobs of one queue, waiting for the first if need be.
    Get(Get),
    /// The caller of a waiting Get, Put, WaitJob or WaitQueue went away: it gets
    /// no answer any more and, in particular, no job.
    Abandon {
        /// The caller.
        ticket: Ticket,
    },
    /// Leases whose delivery never reached the caller: taken back uncounted.
    /// Those that have ended meanwhile are passed over. No answer.
    TakeBack {
        /// The leases.
        leases: Vec<LeaseRef>,
    },
    /// Opens a worker's session.
    OpenSession(OpenSession),
    /// New flow limits; also a sign of life. No answer.
    SetFlow {
        /// The session.
        session: SessionId,
        /// The limits.
        flow: Flow,
    },
    /// A sign of life of a session: renews all its leases. No answer.
    Heartbeat {
        /// The session.
        session: SessionId,
    },
    /// Delivers nothing more to the session. No answer.
    DrainSession {
        /// The session.
        session: SessionId,
    },
    /// The stream of a session is gone: its leases stay for its grace. No answer.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// Ends leases with a verdict each.
    Settle(Settle),
    /// Moves the expiry of leases.
    Extend(Extend),
    /// Cancels a job.
    CancelJob {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queues the caller may touch.
        scope: Scope,
        /// The job.
        job: JobId,
        /// Why; becomes the outcome's error.
        reason: Box<str>,
    },
    /// Waits until a job has ended.
    WaitJob {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queues the caller may touch.
        scope: Scope,
        /// The job.
        job: JobId,
        /// Until when; `None`: answer at once.
        until: Option<Time>,
    },
    /// Waits until a queue has nothing left.
    WaitQueue {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
        /// Whether leased jobs count too.
        settled: bool,
        /// Until when; `None`: answer at once.
        until: Option<Time>,
    },
    /// Creates a queue.
    CreateQueue {
        /// Who waits for the answer.
        ticket: Ticket,
        /// Its name.
        queue: QueueName,
        /// Its settings.
        settings: QueueSettings,
    },
    /// Changes the settings of a queue.
    UpdateQueue {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
        /// What to change.
        change: SettingsChange,
        /// The revision that the caller has read; another one is refused.
        revision: Option<u64>,
    },
    /// Pauses or resumes a queue.
    PauseQueue {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
        /// Whether leasing stops.
        paused: bool,
    },
    /// Deletes a queue that holds nothing.
    DeleteQueue {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
    },
    /// Ends up to `jobs_max` jobs of a queue that are in one of `states`.
    /// Bounded, so that nothing stalls: the caller repeats it until the count is
    /// below `jobs_max`.
    Purge {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
        /// Which jobs.
        states: Vec<JobState>,
        /// At most this many.
        jobs_max: usize,
    },
    /// Makes up to `jobs_max` dead jobs ready again, the oldest first. Bounded
    /// like `Purge`.
    Redrive {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queue.
        queue: QueueName,
        /// At most this many.
        jobs_max: usize,
    },
    /// Looks at something.
    Read {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The queues the caller may touch.
        scope: Scope,
        /// What to look at.
        read: Read,
    },
    /// The server is shutting down: grants nothing more and answers every waiter.
    /// No answer.
    Drain,
    /// Time has passed: does what is due, a bounded amount at a time. The driver
    /// sends one when `next_deadline` has come. No answer.
    Tick {
        /// Randomness for the jitter of retries.
        random: u64,
    },
    /// The server did not run for a while (it was stopped, or the machine was
    /// suspended): leases, sessions and waiting calls last that much longer. No answer.
    Stalled {
        /// For how long.
        by: Duration,
    },
    /// Remembers what the clocks of the machine say, for the next start. No answer.
    ClocksRead(ClockReading),
    /// The store cannot read the content of a job. If the job has not ended, it is dead
    /// with this error from now on; the content is lost either way. Ignored if there is
    /// no such job or its content is empty. No answer.
    ContentLost {
        /// The job.
        job: JobSeq,
        /// Why the content cannot be read.
        error: Box<str>,
        /// Ignore the command while the job is leased: its worker has the content
        /// already and can finish. False if the content was read for its delivery.
        unless_leased: bool,
    },
    /// Writes the present state of these jobs again, so that the store can drop
    /// the old records. Those that have ended are passed over. No answer.
    RestateJobs {
        /// The jobs.
        jobs: Vec<JobSeq>,
    },
    /// Writes a part of what is not a job again: counters, queues, remembered
    /// request ids. No answer; `Effect::LedgerRestated` says where to go on.
    RestateLedger {
        /// Where to go on; 0 at first.
        from: usize,
        /// Request ids are restated whose last `Transition::PutRemembered` is one of the
        /// first so many that this engine has restored or written. The others are in
        /// records that stay.
        puts_before: u64,
    },
}

/// Adds jobs: all or none.
#[derive(Clone, PartialEq, Debug)]
pub struct Put {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The queue.
    pub queue: QueueName,
    /// The jobs, in put order; not empty.
    pub jobs: Vec<NewJob>,
    /// Makes the call repeatable.
    pub repeatable: Option<Repeatable>,
    /// Until when to wait for room in a full queue; `None`: not at all.
    pub until: Option<Time>,
}

/// What tells a repeat of a Put from a new Put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeatable {
    /// The request id, which belongs to the queue.
    pub id: RequestId,
    /// The caller's UUID alone: the request id in journals of earlier versions.
    pub uuid: RequestId,
    /// The jobs: with others the id is refused.
    pub jobs: JobsHash,
}

/// One job of a Put. `None` takes the queue's default.
#[derive(Clone, PartialEq, Debug)]
pub struct NewJob {
    /// Payload and headers.
    pub content: Content,
    /// Higher is leased first.
    pub priority: i32,
    /// Not ready before this.
    pub ready_time: Option<Time>,
    /// How often it may be leased.
    pub max_attempts: Option<u32>,
    /// The waits between attempts.
    pub retry: Option<RetryPolicy>,
    /// The queue that gets the outcome.
    pub reply_to: Option<QueueName>,
    /// The longest one attempt may run.
    pub run_time_max: Option<Duration>,
    /// How long it is kept after its end.
    pub result_retention: Option<Duration>,
}

impl NewJob {
    /// A job with this content and every default.
    #[must_use]
    pub fn plain(content: Content) -> Self {
        Self {
            content,
            priority: 0,
            ready_time: None,
            max_attempts: None,
            retry: None,
            reply_to: None,
            run_time_max: None,
            result_retention: None,
        }
    }
}

/// What to change in the settings of a queue; `None`: nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SettingsChange {
    /// New lease duration.
    pub lease_duration: Option<Duration>,
    /// New number of attempts.
    pub max_attempts: Option<u32>,
    /// New waits between attempts.
    pub retry: Option<RetryPolicy>,
    /// New bound; `Some(None)`: no bound.
    pub jobs_max: Option<Option<u64>>,
    /// New retention.
    pub result_retention: Option<Duration>,
}

/// What to look at.
#[derive(Clone, PartialEq, Debug)]
pub enum Read {
    /// One queue.
    Queue {
        /// The queue.
        queue: QueueName,
    },
    /// Queues within the scope, by name.
    Queues {
        /// Those after this name.
        after: Option<QueueName>,
        /// At most this many.
        queues_max: usize,
    },
    /// One job.
    Job {
        /// The job.
        job: JobId,
        /// Whether the store shall add payload, headers and result.
        content: bool,
    },
    /// Jobs of one queue in put order.
    Jobs {
        /// The queue.
        queue: QueueName,
        /// Only those in this state.
        state: Option<JobState>,
        /// Those after this one.
        after: Option<JobSeq>,
        /// At most this many.
        jobs_max: usize,
    },
}
