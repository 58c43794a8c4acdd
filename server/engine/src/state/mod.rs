//! The durable state of a namespace. It changes by [`State::evolve`] alone, while
//! commands are applied and at a restart alike, so what is replayed is what was.
//!
//! A job is known if it is in a run of a ready order, or has an entry in `jobs`;
//! either way its group says what it shares with its neighbours.

pub(crate) mod evolve;
mod evolve_jobs;
pub(crate) mod groups;
pub(crate) mod invariants;
pub(crate) mod job;
pub(crate) mod moves;
pub(crate) mod queue;
pub(crate) mod ready;
pub(crate) mod remembered;
pub(crate) mod restate;
pub(crate) mod verdicts;

use crate::by_job::JobTable;
use crate::deadlines::Deadlines;
use crate::id::{JobId, JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueId};
use crate::settings::EngineConfig;
use crate::state::groups::{Group, Groups};
use crate::state::job::{Job, Lease, Place};
use crate::state::queue::Queues;
use crate::state::remembered::Remembered;
use crate::state::verdicts::Verdicts;
use crate::time::Time;
use crate::transition::JobState;

/// Everything that follows from the transitions.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) identity: Option<(NamespaceTag, [u8; 16])>,
    pub(crate) next_job: JobSeq,
    pub(crate) next_lease: LeaseNumber,
    pub(crate) next_queue: QueueId,
    pub(crate) queues: Queues,
    pub(crate) groups: Groups,
    pub(crate) jobs: JobTable<Job>,
    pub(crate) remembered: Remembered,
    pub(crate) verdicts: Verdicts,
    pub(crate) deadlines: Deadlines,
}

/// A known job: what it shares, and its own entry if it has one (without one it
/// is ready and has never been leased).
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) seq: JobSeq,
    pub(crate) group: &'a Group,
    pub(crate) job: Option<&'a Job>,
}

impl Known<'_> {
    pub(crate) fn state(&self) -> JobState {
        self.job.map_or(JobState::Ready, Job::state)
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.job.map_or(0, |job| job.attempts)
    }

    /// Bytes of its content now.
    pub(crate) fn size(&self) -> u32 {
        match self.job.map(|job| &job.place) {
            Some(Place::Ended { size, .. }) => *size,
            Some(Place::Scheduled { .. } | Place::Ready | Place::Leased(_)) | None => {
                self.group.size(self.seq)
            }
        }
    }
}

impl State {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            identity: None,
            next_job: JobSeq(1),
            next_lease: LeaseNumber(1),
            next_queue: QueueId(1),
            queues: Queues::default(),
            groups: Groups::default(),
            jobs: JobTable::default(),
            remembered: Remembered::new(config.request_id_window, config.request_ids_max),
            verdicts: Verdicts::new(config.verdicts_max),
            deadlines: Deadlines::default(),
        }
    }

    /// The job, if it is known.
    pub(crate) fn known(&self, seq: JobSeq) -> Option<Known<'_>> {
        let group = self.groups.get(seq)?;
        let job = self.jobs.get(seq);
        let known = job.is_some() || {
            let queue = self.queues.get(group.queue)?;
            queue.ready.run_length_at(group.settings.priority, seq) > 0
        };
        known.then_some(Known { seq, group, job })
    }

    /// The job with this id: the whole id has to be right, not only the number in it.
    pub(crate) fn known_by_id(&self, id: JobId) -> Option<Known<'_>> {
        let known = self.known(id.seq())?;
        (self.id_of(id.seq(), known.group.put_time) == id).then_some(known)
    }

    /// The job and its lease, if the lease stands.
    pub(crate) fn leased(&self, lease: LeaseRef) -> Option<(&Job, &Lease)> {
        let job = self.jobs.get(lease.job)?;
        let current = job.lease()?;
        (current.number == lease.lease).then_some((job, current))
    }

    /// The id of a job put at `put_time`.
    pub(crate) fn id_of(&self, seq: JobSeq, put_time: Time) -> JobId {
        let tag = self
            .identity
            .map_or_else(|| NamespaceTag::new(0), |(tag, _)| tag);
        JobId::new(seq, put_time, tag)
    }

    /// Up to `max` jobs of a queue in one of `states`, in put order, from `from` on.
    pub(crate) fn jobs_in(
        &self,
        queue: QueueId,
        states: &[JobState],
        from: JobSeq,
        max: usize,
    ) -> Vec<JobSeq> {
        let Some(of) = self.queues.get(queue) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for state in states {
            let set = match state {
                JobState::Ready => {
                    found.extend(of.ready.in_put_order(from, max));
                    continue;
                }
                // Looking for none would still look at every tracked job.
                JobState::Leased if of.counts.leased == 0 => continue,
                JobState::Leased => {
                    found.extend(self.leased_in(queue, from));
                    continue;
                }
                JobState::Scheduled => &of.scheduled,
                JobState::Completed => &of.completed,
                JobState::Dead => &of.dead,
                JobState::Cancelled => &of.cancelled,
            };
            found.extend(set.range(from..).take(max).copied());
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(max);
        found
    }

    /// The leased jobs of a queue. Looks at every tracked job: only for people
    /// who look, so the hot path keeps no list for it.
    fn leased_in(&self, queue: QueueId, from: JobSeq) -> impl Iterator<Item = JobSeq> + '_ {
        let leased = self
            .jobs
            .iter()
            .filter(move |(seq, job)| *seq >= from && job.lease().is_some());
        leased.filter_map(move |(seq, _)| {
            let group = self.groups.get(seq)?;
            (group.queue == queue).then_some(seq)
        })
    }
}
