//! Everything that may happen outside because of a command. The driver lets
//! effects out only when the transitions of their batch are durable.

use std::time::Duration;

use crate::id::{JobId, JobSeq, LeaseNumber, LeaseRef, QueueName, SessionId, Ticket};
use crate::rejection::Rejection;
use crate::settings::{JobSettings, QueueSettings};
use crate::time::Time;
use crate::transition::{JobState, Outcome};

/// Something to do outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Answer a caller.
    Reply {
        /// Who.
        ticket: Ticket,
        /// The answer, or why a rule said no.
        reply: Result<Reply, Rejection>,
    },
    /// Send jobs to a session.
    Deliver {
        /// To whom.
        session: SessionId,
        /// The queue they are from.
        queue: QueueName,
        /// The jobs.
        grants: Vec<Grant>,
        /// When the leases end if nothing more is heard from the session.
        expire_time: Time,
    },
    /// Tell a session that cancellation was asked.
    AskCancel {
        /// To whom.
        session: SessionId,
        /// Its leases.
        leases: Vec<LeaseRef>,
    },
    /// End the stream of a session: nothing was heard from it in time.
    SessionExpired {
        /// Which.
        session: SessionId,
    },
    /// A part of the ledger was restated.
    LedgerRestated {
        /// Where to go on; `None`: done.
        next: Option<usize>,
        /// As in `Command::RestateLedger`.
        puts_before: u64,
    },
}

/// The right to run one job.
#[derive(Clone, PartialEq, Debug)]
pub struct Grant {
    /// The job's key in the store.
    pub job: JobSeq,
    /// Its id.
    pub id: JobId,
    /// The lease.
    pub lease: LeaseNumber,
    /// Which attempt this is.
    pub attempt: u32,
    /// How many it has.
    pub max_attempts: u32,
    /// Its priority.
    pub priority: i32,
    /// The longest this attempt may run.
    pub run_time_max: Option<Duration>,
    /// For an outcome job: the outcome.
    pub outcome: Option<Box<Outcome>>,
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// To Put.
    Put {
        /// The ids, in the order of the Put.
        ids: Vec<JobId>,
        /// Whether it is an answer given before.
        deduplicated: bool,
    },
    /// To Get.
    Got {
        /// The jobs; empty: none in time.
        grants: Vec<Grant>,
        /// When the leases end.
        expire_time: Time,
    },
    /// To OpenSession.
    Opened {
        /// The held leases that are lost.
        lost: Vec<LeaseRef>,
    },
    /// To Settle, in order.
    Settled(Vec<Result<(), Rejection>>),
    /// To Extend, in order.
    Extended(Vec<Result<Extension, Rejection>>),
    /// To CancelJob: Cancelled, or Leased if the worker was told.
    Cancelled(JobState),
    /// To WaitJob.
    JobWaited {
        /// The state now.
        state: JobState,
        /// How it ended, if it has.
        outcome: Option<Box<Outcome>>,
        /// The result.
        result: JobResult,
    },
    /// To WaitQueue.
    QueueWaited {
        /// Whether it is as waited for.
        done: bool,
        /// The counts now.
        counts: Counts,
    },
    /// To CreateQueue, UpdateQueue, PauseQueue and Read::Queue.
    Queue(Box<QueueView>),
    /// To Read::Queues.
    Queues {
        /// The queues, by name.
        queues: Vec<QueueView>,
        /// Whether there are more.
        more: bool,
    },
    /// To Read::Job.
    Job {
        /// The job.
        job: Box<JobView>,
        /// Whether content was asked for.
        content: bool,
    },
    /// To Read::Jobs.
    Jobs {
        /// The jobs in put order.
        jobs: Vec<JobView>,
        /// Whether there are more.
        more: bool,
    },
    /// To Purge, Redrive and DeleteQueue.
    Count(u64),
}

/// Where the result of a job is.
#[derive(Clone, PartialEq, Debug)]
pub enum JobResult {
    /// There is none.
    None,
    /// Here it is: the job ended just now.
    Bytes(bytes::Bytes),
    /// In the store, as the content of this job.
    Stored(JobSeq),
}

/// What became of one extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension {
    /// When the lease ends now.
    pub expire_time: Time,
    /// Whether cancellation was asked.
    pub cancel_requested: bool,
}

/// How many jobs of a queue are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Wait for their time.
    pub scheduled: u64,
    /// Can be leased.
    pub ready: u64,
    /// Workers have them.
    pub leased: u64,
    /// Completed and kept.
    pub completed: u64,
    /// Dead.
    pub dead: u64,
    /// Cancelled and kept.
    pub cancelled: u64,
}

impl Counts {
    /// Scheduled, ready and leased: what `jobs_max` bounds.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.scheduled + self.ready + self.leased
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.live() + self.completed + self.dead + self.cancelled
    }
}

/// A queue as it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// Its settings.
    pub settings: QueueSettings,
    /// Whether leasing is stopped.
    pub paused: bool,
    /// Goes up by one with each change.
    pub revision: u64,
    /// When it was created.
    pub create_time: Time,
    /// How many jobs are in each state.
    pub counts: Counts,
    /// Bytes of the contents of live jobs.
    pub bytes: u64,
    /// When the oldest ready job was put.
    pub oldest_ready: Option<Time>,
    /// Sessions and Gets that wait for a job.
    pub waiting: u64,
    /// Sessions with a free place that the next job is too large for, by their limit of
    /// bytes.
    pub waiting_for_bytes: u64,
}

/// A job as it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct JobView {
    /// The job's key in the store.
    pub job: JobSeq,
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Where it is.
    pub state: JobState,
    /// What it was told.
    pub settings: JobSettings,
    /// Scheduled: when it becomes ready.
    pub ready_time: Option<Time>,
    /// Leased: when the lease ends.
    pub expire_time: Option<Time>,
    /// Attempts so far.
    pub attempts: u32,
    /// How often it was released since the last other verdict.
    pub releases: u32,
    /// The error of the last failed attempt.
    pub error: Box<str>,
    /// Leased: the worker's name.
    pub worker: Box<str>,
    /// Leased: its progress.
    pub progress: Box<str>,
    /// Bytes of its content.
    pub size: u32,
    /// Whether cancellation was asked.
    pub cancel_requested: bool,
    /// For an outcome job: the outcome.
    pub outcome: Option<Box<Outcome>>,
}
