//! The durable state of a namespace. It changes by [`State::evolve`] alone, while
//! commands are applied and at a restart alike, so what is replayed is what was.
//!
//! A job is known if it is in a run of a ready order, has an entry in `jobs`, or has
//! ended and is kept. As long as it lives its group says what it shares with its
//! neighbours.

pub(crate) mod ended;
pub(crate) mod evolve;
mod evolve_jobs;
pub(crate) mod groups;
pub(crate) mod invariants;
pub(crate) mod job;
pub(crate) mod moves;
pub(crate) mod queue;
pub(crate) mod ready;
pub(crate) mod remembered;
pub(crate) mod reply_room;
pub(crate) mod restate;
pub(crate) mod verdicts;

use std::sync::Arc;

use crate::by_job::JobTable;
use crate::deadlines::JobDeadlines;
use crate::id::{JobId, JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueId};
use crate::settings::{EngineConfig, JobSettings};
use crate::state::ended::{Ended, EndedJobs};
use crate::state::groups::Groups;
use crate::state::job::{Job, Lease};
use crate::state::queue::{Queue, Queues};
use crate::state::remembered::Remembered;
use crate::state::reply_room::ReplyRoom;
use crate::state::verdicts::Verdicts;
use crate::time::{LeaseClock, Time};
use crate::transition::{ClockReading, JobState, Outcome};

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
    pub(crate) ended: EndedJobs,
    pub(crate) remembered: Remembered,
    pub(crate) verdicts: Verdicts,
    pub(crate) deadlines: JobDeadlines,
    pub(crate) lease_clock: LeaseClock,
    /// What the clocks said last.
    pub(crate) clocks: Option<ClockReading>,
    pub(crate) reply_room: ReplyRoom,
}

/// A known job.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) seq: JobSeq,
    pub(crate) queue: QueueId,
    pub(crate) put_time: Time,
    pub(crate) settings: &'a Arc<JobSettings>,
    /// Bytes of its content now.
    pub(crate) size: u32,
    pub(crate) entry: Entry<'a>,
}

/// What is known of one job alone.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    /// Nothing: it is ready and has never been leased.
    Plain,
    Tracked(&'a Job),
    Ended(&'a Ended),
}

impl<'a> Known<'a> {
    pub(crate) fn state(&self) -> JobState {
        match self.entry {
            Entry::Plain => JobState::Ready,
            Entry::Tracked(job) => job.state(),
            Entry::Ended(ended) => ended.state(),
        }
    }

    pub(crate) fn attempts(&self) -> u32 {
        match self.entry {
            Entry::Plain => 0,
            Entry::Tracked(job) => job.attempts,
            Entry::Ended(ended) => ended.attempts,
        }
    }

    /// How often it was released since the last other verdict.
    pub(crate) fn releases(&self) -> u32 {
        match self.entry {
            Entry::Plain => 0,
            Entry::Tracked(job) => job.releases(),
            Entry::Ended(ended) => ended.releases,
        }
    }

    /// How often the lease of a Get expired without a sign from its worker.
    pub(crate) fn unheard(&self) -> u32 {
        self.job().map_or(0, Job::unheard)
    }

    /// The error of its last attempt, or why it ended.
    pub(crate) fn error(&self) -> &'a str {
        match self.entry {
            Entry::Plain => "",
            Entry::Tracked(job) => job.error(),
            Entry::Ended(ended) => &ended.error,
        }
    }

    /// Why cancellation was asked, if it was and the job has not ended.
    pub(crate) fn cancel(&self) -> Option<&'a str> {
        self.job()?.cancel()
    }

    /// For an outcome job: the outcome.
    pub(crate) fn outcome(&self) -> Option<&'a Outcome> {
        match self.entry {
            Entry::Plain => None,
            Entry::Tracked(job) => job.outcome(),
            Entry::Ended(ended) => ended.outcome.as_deref(),
        }
    }

    /// Whether it has ended and its content could not be read.
    pub(crate) fn content_lost(&self) -> bool {
        match self.entry {
            Entry::Plain | Entry::Tracked(_) => false,
            Entry::Ended(ended) => ended.how.content_lost,
        }
    }

    pub(crate) fn lease(&self) -> Option<&'a Lease> {
        self.job()?.lease()
    }

    /// Its entry, if it lives and has one.
    pub(crate) fn job(&self) -> Option<&'a Job> {
        match self.entry {
            Entry::Tracked(job) => Some(job),
            Entry::Plain | Entry::Ended(_) => None,
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
            ended: EndedJobs::new(),
            remembered: Remembered::new(config.request_id_window, config.request_id_bytes_max),
            verdicts: Verdicts::new(config.verdicts_max),
            deadlines: JobDeadlines::default(),
            lease_clock: LeaseClock::default(),
            clocks: None,
            reply_room: ReplyRoom::default(),
        }
    }

    /// The job, if it is known.
    pub(crate) fn known(&self, seq: JobSeq) -> Option<Known<'_>> {
        self.living(seq).or_else(|| {
            let ended = self.ended.get(&seq)?;
            Some(Known {
                seq,
                queue: ended.queue,
                put_time: ended.put_time,
                settings: &ended.settings,
                size: ended.how.size,
                entry: Entry::Ended(ended),
            })
        })
    }

    fn living(&self, seq: JobSeq) -> Option<Known<'_>> {
        let group = self.groups.get(seq)?;
        let entry = match self.jobs.get(seq) {
            Some(job) => Entry::Tracked(job),
            None => {
                let queue = self.queues.get(group.queue)?;
                let in_run = queue.ready.run_length_at(group.settings.priority, seq) > 0;
                in_run.then_some(Entry::Plain)?
            }
        };
        Some(Known {
            seq,
            queue: group.queue,
            put_time: group.put_time,
            settings: &group.settings,
            size: group.size(seq),
            entry,
        })
    }

    /// The queue that the job is in, or was put into: its neighbours may be known alone.
    pub(crate) fn queue_of(&self, job: JobSeq) -> Option<QueueId> {
        let group = self.groups.get(job).map(|group| group.queue);
        group.or_else(|| self.ended.get(&job).map(|ended| ended.queue))
    }

    /// Whether any of the `count` places from `first` is, or was, that of a known job or
    /// of one put with a known one.
    pub(crate) fn any_taken(&self, first: JobSeq, count: u32) -> bool {
        let end = first.plus(u64::from(count));
        self.groups.overlaps(first, count) || self.ended.range(first..end).next().is_some()
    }

    /// The job with this id: the whole id has to be right, not only the number in it.
    pub(crate) fn known_by_id(&self, id: JobId) -> Option<Known<'_>> {
        let known = self.known(id.seq())?;
        (self.id_of(id.seq(), known.put_time) == id).then_some(known)
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

    /// The oldest dead jobs of a queue that can be redriven: those that still have
    /// their content.
    pub(crate) fn redrivable(&self, queue: QueueId, max: usize) -> Vec<JobSeq> {
        let dead = self.queues.get(queue).into_iter().flat_map(|of| &of.dead);
        let has_content = |job: &&JobSeq| {
            let ended = self.ended.get(job);
            ended.is_some_and(|ended| !ended.how.content_lost)
        };
        dead.filter(has_content).take(max).copied().collect()
    }

    /// How many more jobs the queue takes, room for the outcomes still to come set aside.
    /// `None`: it has no bound.
    pub(crate) fn room(&self, queue: &Queue) -> Option<u64> {
        let max = queue.settings.jobs_max?;
        let taken = queue.counts.live() + self.reply_room.of(&queue.name);
        Some(max.saturating_sub(taken))
    }

    /// How many queues there are, with those that outcomes will create again.
    pub(crate) fn queues_taken(&self) -> usize {
        let replied = self.reply_room.queues();
        let gone = replied.filter(|name| self.queues.named(name).is_none());
        self.queues.len() + gone.count()
    }

    /// Bytes of the first ready job of a queue.
    pub(crate) fn first_ready_size(&self, queue: QueueId) -> Option<u64> {
        let mut first = Vec::with_capacity(1);
        self.queues.get(queue)?.ready.front(1, &mut first);
        let job = first.first()?.job;
        Some(u64::from(self.groups.get(job)?.size(job)))
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
