//! Moving jobs from one place to another, with all that has to move along:
//! counts, bytes, indexes, deadlines. Everything that changes where a job is goes
//! through here.

use std::sync::Arc;

use crate::id::{JobSeq, LeaseNumber, LeaseRef, QueueId, SessionId};
use crate::settings::JobSettings;
use crate::state::State;
use crate::state::ended::{Ended, HowEnded};
use crate::state::job::{Job, Lease, Place};
use crate::time::Time;
use crate::transition::{Sizes, VerdictKind};

/// A job taken out of its place; it has to be put into another, kept or forgotten.
#[must_use]
pub(crate) struct Detached {
    seq: JobSeq,
    queue: QueueId,
    put_time: Time,
    settings: Arc<JobSettings>,
    put_size: u32,
    /// Whether its group counts it: that of one that had ended does not.
    in_group: bool,
    pub(crate) job: Job,
}

/// What a job was that is completed and gone.
pub(crate) struct Completed {
    pub(crate) lease: Lease,
    pub(crate) queue: QueueId,
    pub(crate) size: u32,
}

impl Detached {
    /// Bytes that the job was put with.
    pub(crate) fn put_size(&self) -> u32 {
        self.put_size
    }
}

impl State {
    /// Adds consecutive jobs that have never been leased: ready in a run, or
    /// scheduled one by one.
    pub(crate) fn add_jobs(
        &mut self,
        first: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &JobSettings,
        sizes: &Sizes,
    ) {
        let of = self.queues.entry_unnamed(queue);
        let shared = of.share(settings);
        let count = u64::from(sizes.count());
        of.bytes += sizes.total();
        self.reply_room.reserve(settings, count);
        match settings.ready_time {
            None => {
                of.counts.ready += count;
                of.ready.add_run(settings.priority, first, count);
            }
            Some(ready_time) => {
                of.counts.scheduled += count;
                for n in 0..count {
                    let seq = first.plus(n);
                    let job = Job::at(Place::Scheduled { ready_time });
                    job.add_deadlines(seq, settings, &mut self.deadlines);
                    of.scheduled.insert(seq);
                    self.jobs.insert(seq, job);
                }
            }
        }
        self.groups.add(first, queue, put_time, &shared, sizes);
        self.next_job = self.next_job.max(first.plus(count));
    }

    /// Adds one tracked job.
    pub(crate) fn add_job(
        &mut self,
        seq: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &JobSettings,
        put_size: u32,
        job: Job,
    ) {
        let settings = self.queues.entry_unnamed(queue).share(settings);
        let sizes = Sizes::Uniform {
            count: 1,
            size: put_size,
        };
        self.groups.add(seq, queue, put_time, &settings, &sizes);
        self.next_job = self.next_job.max(seq.plus(1));
        self.attach(Detached {
            seq,
            queue,
            put_time,
            settings,
            put_size,
            in_group: true,
            job,
        });
    }

    /// Adds one job that has ended.
    pub(crate) fn add_ended(&mut self, seq: JobSeq, ended: Ended) {
        self.next_job = self.next_job.max(seq.plus(1));
        let queue = self.queues.entry_unnamed(ended.queue);
        queue.ended_mut(ended.how.end).insert(seq);
        *queue.count_mut(ended.state()) += 1;
        ended.add_deadline(seq, &mut self.deadlines);
        self.ended.insert(seq, ended);
    }

    /// Takes a job out of its place. `None`: it is not known.
    pub(crate) fn detach(&mut self, seq: JobSeq) -> Option<Detached> {
        self.detach_living(seq).or_else(|| self.detach_ended(seq))
    }

    fn detach_living(&mut self, seq: JobSeq) -> Option<Detached> {
        let group = self.groups.get(seq)?;
        let queue = self.queues.get_mut(group.queue)?;
        let priority = group.settings.priority;
        let job = match self.jobs.remove(seq) {
            Some(job) => {
                let indexed = match &job.place {
                    Place::Scheduled { .. } => queue.scheduled.remove(&seq),
                    Place::Ready => queue.ready.remove_returned(priority, seq),
                    Place::Leased(_) => true,
                };
                // I2: a job is in the index of its state.
                assert!(indexed, "I2: job {seq:?} is not where its entry says");
                job.drop_deadlines(seq, &group.settings, &mut self.deadlines);
                job
            }
            None if queue.ready.remove_run(priority, seq, 1) => Job::at(Place::Ready),
            None => return None,
        };
        let put_size = group.size(seq);
        self.reply_room.release(&group.settings);
        *queue.count_mut(job.state()) -= 1;
        queue.bytes -= u64::from(put_size);
        Some(Detached {
            seq,
            queue: group.queue,
            put_time: group.put_time,
            settings: Arc::clone(&group.settings),
            put_size,
            in_group: true,
            job,
        })
    }

    fn detach_ended(&mut self, seq: JobSeq) -> Option<Detached> {
        let ended = self.ended.remove(&seq)?;
        let queue = self.queues.get_mut(ended.queue)?;
        let indexed = queue.ended_mut(ended.how.end).remove(&seq);
        // I2: a job is in the index of its state.
        assert!(indexed, "I2: job {seq:?} is not where its entry says");
        *queue.count_mut(ended.state()) -= 1;
        ended.drop_deadline(seq, &mut self.deadlines);
        Some(Detached {
            seq,
            queue: ended.queue,
            put_time: ended.put_time,
            settings: Arc::clone(&ended.settings),
            // Only the dead live again, and theirs is what they were put with.
            put_size: ended.how.size,
            in_group: false,
            job: ended.into_job(),
        })
    }

    /// Puts a job into the place that its entry names.
    pub(crate) fn attach(&mut self, detached: Detached) {
        let Detached {
            seq,
            job,
            queue: id,
            put_size,
            ..
        } = detached;
        let settings = &detached.settings;
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if !detached.in_group {
            self.groups
                .take_back(seq, id, detached.put_time, settings, put_size);
        }
        match &job.place {
            Place::Scheduled { .. } => drop(queue.scheduled.insert(seq)),
            Place::Ready => queue.ready.add_returned(settings.priority, seq),
            Place::Leased(_) => {}
        }
        *queue.count_mut(job.state()) += 1;
        queue.bytes += u64::from(put_size);
        self.reply_room.reserve(settings, 1);
        job.add_deadlines(seq, settings, &mut self.deadlines);
        self.jobs.insert(seq, job);
    }

    /// Keeps a job that has ended.
    pub(crate) fn keep(&mut self, detached: Detached, how: HowEnded) {
        self.forget(&detached);
        let (error, outcome, releases) = Ended::told(detached.job.more);
        let ended = Ended {
            queue: detached.queue,
            put_time: detached.put_time,
            settings: detached.settings,
            attempts: detached.job.attempts,
            releases,
            error,
            outcome,
            how,
        };
        self.add_ended(detached.seq, ended);
    }

    /// Nothing of the job is kept.
    pub(crate) fn forget(&mut self, detached: &Detached) {
        if detached.in_group {
            self.groups.forget(detached.seq);
        }
    }

    /// Leases one ready job, or as many as follow it in `jobs` and in its run, and
    /// says how many. 0: it is not known, or not ready.
    pub(crate) fn grant(&mut self, jobs: &[JobSeq], lease: Lease) -> usize {
        let Some(first) = jobs.first().copied() else {
            return 0;
        };
        let Some(group) = self.groups.get(first) else {
            return 0;
        };
        let priority = group.settings.priority;
        let Some(queue) = self.queues.get_mut(group.queue) else {
            return 0;
        };
        let in_run = queue.ready.run_length_at(priority, first);
        let count = consecutive(jobs, in_run.min(group.end().0 - first.0));
        if count == 0 {
            return usize::from(self.grant_returned(first, lease));
        }
        queue.ready.remove_run(priority, first, count);
        queue.counts.ready -= count;
        queue.counts.leased += count;
        let timed = lease.is_timed(&group.settings);
        for n in 0..count {
            let seq = first.plus(n);
            let number = LeaseNumber(lease.number.0 + n);
            let mut job = Job::at(Place::Leased(Lease { number, ..lease }));
            job.attempts = 1;
            if timed {
                job.add_deadlines(seq, &group.settings, &mut self.deadlines);
            }
            self.jobs.insert(seq, job);
        }
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn grant_returned(&mut self, seq: JobSeq, lease: Lease) -> bool {
        let ready = |job: &Job| matches!(job.place, Place::Ready);
        if !self.jobs.get(seq).is_some_and(ready) {
            return false;
        }
        let Some(mut detached) = self.detach(seq) else {
            return false;
        };
        detached.job.attempts += 1;
        detached.job.place = Place::Leased(lease);
        self.attach(detached);
        true
    }

    /// Forgets a job that is completed: the hot path, as nothing of it is kept.
    /// `None`: the lease does not stand, and nothing has changed.
    pub(crate) fn complete(&mut self, lease: LeaseRef) -> Option<Completed> {
        let is_current = |job: &Job| {
            job.lease()
                .is_some_and(|current| current.number == lease.lease)
        };
        let job = self.jobs.remove_if(lease.job, is_current)?;
        let current = *job.lease()?;
        let deadlines = &mut self.deadlines;
        let (queue, size) = self.groups.forget_after(lease.job, |group| {
            if current.is_timed(&group.settings) {
                job.drop_deadlines(lease.job, &group.settings, deadlines);
            }
            (group.queue, group.size(lease.job))
        })?;
        let of = self.queues.get_mut(queue)?;
        of.counts.leased -= 1;
        of.bytes -= u64::from(size);
        self.remember_verdict(lease, VerdictKind::Complete);
        Some(Completed {
            lease: current,
            queue,
            size,
        })
    }

    /// Binds a lease to a session: live-only, never part of a transition.
    pub(crate) fn bind(&mut self, seq: JobSeq, session: Option<SessionId>) {
        if let Some(job) = self.jobs.get_mut(seq)
            && let Place::Leased(lease) = &mut job.place
        {
            lease.session = session;
        }
    }
}

/// How many of `jobs`, up to `max`, follow each other without a gap.
fn consecutive(jobs: &[JobSeq], max: u64) -> u64 {
    let Some(first) = jobs.first() else { return 0 };
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let count = jobs
        .iter()
        .take(max)
        .zip(first.0..)
        .take_while(|(job, expected)| job.0 == *expected)
        .count();
    u64::try_from(count).unwrap_or(u64::MAX)
}
