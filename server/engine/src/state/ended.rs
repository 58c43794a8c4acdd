//! Jobs that have ended and are kept: the dead ones, and those whose result is.
//!
//! They stand apart from the jobs that live, in put order. There may be a thousand times
//! as many, nothing is done with them for long, and then with one after the other: among
//! the others they would make each look-up of a live job wait for memory, and their groups
//! would stay for one job of a hundred.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::deadlines::{Deadline, JobDeadlines};
use crate::id::{JobSeq, QueueId};
use crate::settings::JobSettings;
use crate::state::job::{Job, More, Place, state_of_end};
use crate::time::Time;
use crate::transition::{End, JobState, Outcome};

/// By job.
pub(crate) type EndedJobs = BTreeMap<JobSeq, Ended>;

/// A job that has ended and is kept.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) queue: QueueId,
    pub(crate) put_time: Time,
    pub(crate) settings: Arc<JobSettings>,
    /// Attempts that count.
    pub(crate) attempts: u32,
    /// How often it was released since the last other verdict.
    pub(crate) releases: u32,
    /// Why it ended.
    pub(crate) error: Box<str>,
    /// For an outcome job: the outcome.
    pub(crate) outcome: Option<Box<Outcome>>,
    pub(crate) how: HowEnded,
}

/// How a job ended, and what that means for what is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HowEnded {
    pub(crate) end: End,
    /// `None`: without end.
    pub(crate) retain_until: Option<Time>,
    /// Bytes of what is kept as its content now: the result, if completed; otherwise what
    /// it was put with.
    pub(crate) size: u32,
    /// That content could not be read and is gone: `size` is 0.
    pub(crate) content_lost: bool,
}

impl Ended {
    pub(crate) fn state(&self) -> JobState {
        state_of_end(self.how.end)
    }

    /// What is due for it.
    pub(crate) fn deadline(&self, job: JobSeq) -> Option<(Time, Deadline)> {
        let retain_until = self.how.retain_until?;
        Some((retain_until, Deadline::Forget(job)))
    }

    pub(crate) fn add_deadline(&self, job: JobSeq, to: &mut JobDeadlines) {
        if let Some((at, deadline)) = self.deadline(job) {
            to.kept.insert(at, deadline);
        }
    }

    pub(crate) fn drop_deadline(&self, job: JobSeq, of: &mut JobDeadlines) {
        if let Some((at, deadline)) = self.deadline(job) {
            of.kept.remove(at, deadline);
        }
    }

    /// What it is if it lives again: ready, with its error and its attempts.
    pub(crate) fn into_job(self) -> Job {
        let mut job = Job::at(Place::Ready);
        job.attempts = self.attempts;
        job.set_error(&self.error);
        if let Some(outcome) = self.outcome {
            job.more.get_or_insert_default().outcome = Some(*outcome);
        }
        job
    }

    /// What is kept of what few jobs have; cancellation has been done, and a job that is
    /// redriven starts anew.
    pub(crate) fn told(more: Option<Box<More>>) -> (Box<str>, Option<Box<Outcome>>, u32) {
        more.map_or_else(Default::default, |more| {
            (more.error, more.outcome.map(Box::new), more.releases)
        })
    }
}
