//! The state of a job, as it is written again so that older records can go.

use std::time::Duration;

use super::{End, Holder, Outcome};
use crate::id::{JobSeq, LeaseNumber, QueueId};
use crate::settings::JobSettings;
use crate::time::Time;

/// The whole state of one job.
#[derive(Clone, PartialEq, Debug)]
pub struct JobRestated {
    /// The job.
    pub job: JobSeq,
    /// Its queue.
    pub queue: QueueId,
    /// When it was put.
    pub put_time: Time,
    /// What it was told.
    pub settings: JobSettings,
    /// Bytes of its content.
    pub size: u32,
    /// Attempts that count so far.
    pub attempts: u32,
    /// How often it was released since the last other verdict.
    pub releases: u32,
    /// How often it came back as `Requeue::Unheard`.
    pub unheard: u32,
    /// The error of the last failed attempt.
    pub error: Box<str>,
    /// Whether and why cancellation was asked.
    pub cancel: Option<Box<str>>,
    /// For an outcome job: the outcome.
    pub outcome: Option<Outcome>,
    /// Where it is.
    pub status: Status,
}

/// Where a job is, with what belongs to it there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Waits for its time.
    Scheduled {
        /// When that is.
        ready_time: Time,
    },
    /// Can be leased.
    Ready,
    /// A worker has it.
    Leased {
        /// The lease.
        lease: LeaseNumber,
        /// When it was granted.
        grant_time: Time,
        /// How long it was granted for.
        lease_duration: Duration,
        /// When it ends, for the lease of a Get.
        expire_time: Time,
        /// Who holds it.
        holder: Holder,
        /// Whether its worker has extended it, for the lease of a Get.
        heard: bool,
    },
    /// It has ended and is kept.
    Ended {
        /// How.
        end: End,
        /// Until when; `None`: without end.
        retain_until: Option<Time>,
    },
}
