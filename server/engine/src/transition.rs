//! The durable facts: everything that can happen to the state of a namespace.
//! State changes only by transitions, live and at a restart alike, so what the
//! store replays is what was. Closed; on disk each variant has a tag that is
//! never reused (docs/STORAGE.md).

mod clocks;
mod content;
mod join;
mod restated;

pub use clocks::ClockReading;
pub use content::{Content, Sizes};
pub use restated::{JobRestated, Status};

use std::time::Duration;

use bytes::Bytes;

use crate::id::{
    JobId, JobSeq, JobsHash, LeaseNumber, LeaseRef, NamespaceTag, QueueId, QueueName, RequestId,
};
use crate::settings::{JobSettings, QueueSettings};
use crate::time::Time;

/// Where a job is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// Can be leased.
    Ready,
    /// A worker has it.
    Leased,
    /// Done; kept for its retention.
    Completed,
    /// Given up; kept until redriven or purged.
    Dead,
    /// Cancelled; kept for its retention.
    Cancelled,
}

/// How a leased job came back, or a dead one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requeue {
    /// Its attempt failed.
    Failed,
    /// Its worker gave it back.
    Released,
    /// Its delivery never reached anyone.
    TakenBack,
    /// Its lease expired.
    Expired,
    /// Its lease was that of a Get and expired, and nothing was heard from its worker: the
    /// answer may never have been read.
    Unheard,
    /// It was dead and is wanted again.
    Redriven,
}

/// How a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Done.
    Completed,
    /// Given up.
    Dead,
    /// Cancelled.
    Cancelled,
}

/// What became of a job, told to its `reply_to` queue and to those who wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The job that ended.
    pub job: JobId,
    /// The queue it was in.
    pub queue: QueueName,
    /// How it ended.
    pub end: End,
    /// The last error, or the reason of the cancellation.
    pub error: Box<str>,
    /// How many attempts were made.
    pub attempts: u32,
}

/// Who holds a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A Get: the lease ends by time alone.
    Get,
    /// A session: the lease lives as long as the session does. After a restart it
    /// is given `lease_duration` to come back.
    Session,
}

/// What tells a repeat of a remembered Put from another Put with the same request id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutJobs {
    /// The hash of its jobs.
    Hash(JobsHash),
    /// A journal of an earlier version knows only this, and its ids do not belong to a queue.
    Size {
        /// Its queue.
        queue: QueueId,
        /// Bytes of all contents.
        size: u64,
    },
}

/// A durable fact.
#[derive(Clone, PartialEq, Debug)]
pub enum Transition {
    /// The first of every namespace.
    NamespaceCreated {
        /// Sets its job ids apart.
        tag: NamespaceTag,
        /// The key of the check value in its lease tokens.
        token_key: [u8; 16],
    },
    /// The server did not run for a while: every lease ends that much later.
    Stalled {
        /// For how long.
        by: Duration,
    },
    /// A queue came to be, or was restated: replaces what is known of it.
    QueueSet {
        /// Its number.
        queue: QueueId,
        /// Its name.
        name: QueueName,
        /// Its settings.
        settings: QueueSettings,
        /// Whether leasing is stopped.
        paused: bool,
        /// Goes up by one with each change.
        revision: u64,
        /// When it was created.
        create_time: Time,
    },
    /// A queue is gone.
    QueueDeleted {
        /// Its number.
        queue: QueueId,
    },
    /// Consecutive jobs that were told the same were put. They are ready, or
    /// scheduled if `settings.ready_time` says so.
    JobsAdded {
        /// The first; the others follow without a gap.
        first: JobSeq,
        /// The queue.
        queue: QueueId,
        /// When.
        put_time: Time,
        /// What they were told.
        settings: JobSettings,
        /// How large each is, which also says how many there are.
        sizes: Sizes,
        /// What each carries. Empty at a restart: contents stay in the store.
        contents: Vec<Content>,
    },
    /// A job that tells of another's end was put.
    OutcomeAdded {
        /// The outcome job.
        job: JobSeq,
        /// The `reply_to` queue.
        queue: QueueId,
        /// When.
        put_time: Time,
        /// How often it may be leased, waits and so on.
        settings: JobSettings,
        /// What became of the other job.
        outcome: Outcome,
        /// Bytes of the result.
        size: u32,
        /// The result, as the content. Empty at a restart.
        content: Content,
    },
    /// A Put is remembered by its request id.
    PutRemembered {
        /// The request id.
        request_id: RequestId,
        /// Its first job; the others follow without a gap.
        first: JobSeq,
        /// How many jobs.
        count: u32,
        /// What is known of the jobs, to tell a repeat from a reuse.
        jobs: PutJobs,
        /// When.
        put_time: Time,
    },
    /// Ready jobs were leased; each one's attempts go up by one.
    LeasesGranted {
        /// The lease of the first job; the others follow without a gap.
        first_lease: LeaseNumber,
        /// The jobs.
        jobs: Vec<JobSeq>,
        /// When.
        grant_time: Time,
        /// Who holds them.
        holder: Holder,
        /// How long they were granted for.
        lease_duration: Duration,
    },
    /// A lease of a Get ends later.
    LeaseExtended {
        /// The lease.
        lease: LeaseRef,
        /// When it ends now.
        expire_time: Time,
    },
    /// Leased jobs were completed and nothing of them is kept.
    JobsCompleted {
        /// Their leases.
        leases: Vec<LeaseRef>,
    },
    /// A job ended.
    JobEnded {
        /// The job.
        job: JobSeq,
        /// The lease that ended with it, and was settled by a verdict if
        /// `settled`.
        lease: Option<LeaseNumber>,
        /// The kind of the verdict, remembered for those who send it twice.
        verdict: Option<VerdictKind>,
        /// How.
        end: End,
        /// The last error.
        error: Box<str>,
        /// Until when the job is kept; `None`: not at all (completed, cancelled)
        /// or without end (dead).
        retain_until: Option<Time>,
        /// Bytes of the result that is kept.
        result_size: u32,
        /// The result; replaces the job's content if the job is kept as
        /// completed. Empty at a restart.
        result: Bytes,
    },
    /// A job is ready again, or scheduled if `ready_time` says so.
    JobRequeued {
        /// The job.
        job: JobSeq,
        /// The lease that ended with it.
        lease: Option<LeaseNumber>,
        /// How it came back.
        how: Requeue,
        /// Attempts that count from now on.
        attempts: u32,
        /// Not ready before this.
        ready_time: Option<Time>,
        /// The error of the attempt; empty: keep the one before.
        error: Box<str>,
    },
    /// Leased jobs are ready again, all for the same cause.
    JobsRequeued {
        /// The leases that ended.
        leases: Vec<LeaseRef>,
        /// How they came back.
        how: Requeue,
        /// Whether the attempts count.
        charged: bool,
        /// The error of the attempts; empty: keep the one before.
        error: Box<str>,
    },
    /// A scheduled job's time has come.
    JobsReady {
        /// The jobs.
        jobs: Vec<JobSeq>,
    },
    /// Cancellation was asked for a leased job.
    CancelRequested {
        /// The job.
        job: JobSeq,
        /// Why.
        reason: Box<str>,
    },
    /// The clocks were read at one moment: when the server starts, and when its offset to
    /// the wall clock changes. See `ClockReading`.
    ClocksRead {
        /// Server time.
        time: Time,
        /// The same moment as clients are told it.
        wall: Time,
        /// How long the machine has been running.
        running: Duration,
        /// Which run of the machine that is.
        boot: [u8; 16],
    },
    /// Jobs are forgotten: purged, or their retention is over.
    JobsRemoved {
        /// The jobs.
        jobs: Vec<JobSeq>,
    },
    /// The content of a job that has ended could not be read from the disk. What is
    /// kept of the job has no content from now on, and it cannot be redriven.
    ContentLost {
        /// The job.
        job: JobSeq,
    },
    /// The present state of a job, written again so that older records can go.
    /// The store copies its content along.
    JobRestated(Box<JobRestated>),
    /// Consecutive jobs that have never been leased, written again.
    JobsRestated {
        /// The first; the others follow without a gap.
        first: JobSeq,
        /// The queue.
        queue: QueueId,
        /// When they were put.
        put_time: Time,
        /// What they were told.
        settings: JobSettings,
        /// How large each is, which also says how many there are.
        sizes: Sizes,
    },
    /// The counters, written again.
    CountersRestated {
        /// The sequence number of the next job.
        next_job: JobSeq,
        /// The number of the next lease.
        next_lease: LeaseNumber,
        /// The number of the next queue.
        next_queue: QueueId,
    },
}

impl Transition {
    /// How many jobs it speaks of.
    pub(crate) fn job_count(&self) -> usize {
        match self {
            Self::JobsAdded { sizes, .. } | Self::JobsRestated { sizes, .. } => {
                sizes.count() as usize
            }
            Self::LeasesGranted { jobs, .. }
            | Self::JobsReady { jobs }
            | Self::JobsRemoved { jobs } => jobs.len(),
            Self::JobsCompleted { leases } | Self::JobsRequeued { leases, .. } => leases.len(),
            Self::OutcomeAdded { .. }
            | Self::LeaseExtended { .. }
            | Self::JobEnded { .. }
            | Self::JobRequeued { .. }
            | Self::CancelRequested { .. }
            | Self::ContentLost { .. }
            | Self::JobRestated(_) => 1,
            Self::NamespaceCreated { .. }
            | Self::Stalled { .. }
            | Self::ClocksRead { .. }
            | Self::QueueSet { .. }
            | Self::QueueDeleted { .. }
            | Self::PutRemembered { .. }
            | Self::CountersRestated { .. } => 0,
        }
    }
}

/// Which verdict settled a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerdictKind {
    /// Complete.
    Complete,
    /// Fail.
    Fail,
    /// Reject.
    Reject,
    /// Release.
    Release,
}
