//! A batch of a workload in the making: one thing after the other that could happen
//! to the namespace as it then is.

mod values;

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{
    JobId, JobSeq, JobsHash, LeaseNumber, LeaseRef, NamespaceTag, QueueId, QueueName, RequestId,
};
use leaseq_engine::settings::QueueSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{
    Content, End, Holder, JobRestated, Outcome, PutJobs, Requeue, Status, Transition, VerdictKind,
};

use super::model::{Model, sizes_of};
use crate::random::Random;

/// More jobs than this, and more of them end than are put.
const JOBS_MAX: usize = 80;
const QUEUES: u32 = 3;

/// A batch in the making.
pub(super) struct Draft<'a> {
    random: &'a mut Random,
    time: Time,
    size_max: usize,
    model: Model,
    transitions: Vec<Transition>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(random: &'a mut Random, time: Time, size_max: usize, model: &Model) -> Self {
        Self {
            random,
            time,
            size_max,
            model: model.clone(),
            transitions: Vec::new(),
        }
    }

    /// Lets some things happen: at least one.
    pub(super) fn finish(mut self) -> Vec<Transition> {
        if self.model.next_job == 0 {
            self.create();
        }
        for _ in 0..=self.random.up_to(5) {
            self.act();
        }
        if self.transitions.is_empty() {
            self.put();
        }
        self.transitions
    }

    fn add(&mut self, transition: Transition) {
        let known = self.model.apply(&transition, false);
        known.expect("a workload makes what can happen");
        self.transitions.push(transition);
    }

    fn act(&mut self) {
        let full = self.model.jobs.len() > JOBS_MAX;
        match self.random.up_to(if full { 70 } else { 99 }) {
            0..=14 => self.complete(),
            15..=29 => self.end(),
            30..=39 => self.remove(),
            40..=44 => self.requeue(),
            45..=47 => self.ready(),
            48..=49 => self.lose(),
            50..=54 => self.extend_or_cancel(),
            55..=59 => self.look_after_ledger(),
            60..=79 => self.lease(),
            80..=84 => self.outcome(),
            _ => self.put(),
        }
    }

    fn create(&mut self) {
        let token_key = self.random.next().to_le_bytes();
        let mut key = [0; 16];
        key.iter_mut().zip(token_key).for_each(|(k, t)| *k = t);
        let transition = Transition::NamespaceCreated {
            tag: NamespaceTag::new(77),
            token_key: key,
        };
        self.add(transition);
        (0..QUEUES).for_each(|queue| self.set_queue(QueueId(queue)));
        let transition = Transition::CountersRestated {
            next_job: JobSeq(1),
            next_lease: LeaseNumber(1),
            next_queue: QueueId(QUEUES),
        };
        self.add(transition);
    }

    fn set_queue(&mut self, queue: QueueId) {
        let settings = QueueSettings {
            jobs_max: self.random.chance(50).then_some(self.random.next()),
            result_retention: self.duration(),
            ..QueueSettings::default()
        };
        let transition = Transition::QueueSet {
            queue,
            name: name(queue.0),
            settings,
            paused: self.random.chance(30),
            revision: self.random.next(),
            create_time: self.time,
        };
        self.add(transition);
    }

    fn put(&mut self) {
        let count = match self.random.up_to(9) {
            0 => 1 + self.random.up_to(70),
            1..=4 => 1,
            _ => 1 + self.random.up_to(9),
        };
        let uniform = self.random.chance(50).then(|| self.size());
        let contents: Vec<Content> = (0..count)
            .map(|_| {
                let size = uniform.unwrap_or_else(|| self.size());
                self.content(size)
            })
            .collect();
        let sizes: Vec<u32> = contents.iter().map(Content::size).collect();
        let first = JobSeq(self.model.next_job);
        let queue = self.queue();
        let settings = self.settings();
        let transition = Transition::JobsAdded {
            first,
            queue,
            put_time: self.time,
            settings,
            sizes: sizes_of(&sizes),
            contents,
        };
        self.add(transition);
        if self.random.chance(20) {
            let transition = Transition::PutRemembered {
                request_id: RequestId(u128::from(self.random.next() % 40)),
                first,
                count: u32::try_from(count).unwrap_or(u32::MAX),
                jobs: PutJobs::Hash(JobsHash(u128::from(first.0).to_le_bytes())),
                put_time: self.time,
            };
            self.add(transition);
        }
    }

    fn outcome(&mut self) {
        let size = self.size();
        let content = Content {
            headers: Bytes::new(),
            payload: self.bytes(size),
        };
        let outcome = Outcome {
            job: JobId::new(JobSeq(3), self.time, NamespaceTag::new(77)),
            queue: name(0),
            end: self.any_end(),
            error: "it broke".into(),
            attempts: 7,
        };
        let settings = self.settings();
        let transition = Transition::OutcomeAdded {
            job: JobSeq(self.model.next_job),
            queue: self.queue(),
            put_time: self.time,
            settings,
            outcome,
            size: content.size(),
            content,
        };
        self.add(transition);
    }

    fn lease(&mut self) {
        let max = 1 + self.random.up_to(12);
        let jobs = self.some(max, |status| matches!(status, Status::Ready));
        if jobs.is_empty() {
            return;
        }
        let holder = if self.random.chance(50) {
            Holder::Get
        } else {
            Holder::Session
        };
        let transition = Transition::LeasesGranted {
            first_lease: LeaseNumber(self.model.next_lease),
            jobs,
            grant_time: self.time,
            holder,
            lease_duration: self.duration(),
        };
        self.add(transition);
    }

    fn complete(&mut self) {
        let max = 1 + self.random.up_to(30);
        let jobs = self.some(max, is_leased);
        let leases: Vec<LeaseRef> = jobs.iter().filter_map(|job| self.lease_of(*job)).collect();
        if !leases.is_empty() {
            let transition = Transition::JobsCompleted { leases };
            self.add(transition);
        }
    }

    fn end(&mut self) {
        let Some(job) = self.one(|status| !matches!(status, Status::Ended { .. })) else {
            return;
        };
        let lease = self.lease_of(job).map(|lease| lease.lease);
        let end = self.any_end();
        let kept = self.random.chance(50) && end != End::Dead;
        let result = match (end, kept, self.random.chance(70)) {
            (End::Completed, true, true) => {
                let size = self.size();
                self.bytes(size)
            }
            _nothing => Bytes::new(),
        };
        let transition = Transition::JobEnded {
            job,
            lease,
            verdict: lease.and(Some(VerdictKind::Complete)),
            end,
            error: "the worker said: ✗".into(),
            retain_until: kept.then(|| self.time.after(Duration::from_secs(60))),
            result_size: u32::try_from(result.len()).unwrap_or(u32::MAX),
            result,
        };
        self.add(transition);
    }

    fn requeue(&mut self) {
        let is_dead = |status: &Status| matches!(status, Status::Ended { end: End::Dead, .. });
        let job = self.one(|status| is_leased(status) || is_dead(status));
        let Some(job) = job else { return };
        let lease = self.lease_of(job).map(|lease| lease.lease);
        let ready_time = self
            .random
            .chance(50)
            .then(|| self.time.after(self.duration()));
        let how = match (lease.is_some(), self.random.up_to(4)) {
            (false, _) => Requeue::Redriven,
            (true, 0) => Requeue::Failed,
            (true, 1) => Requeue::Released,
            (true, 2) => Requeue::TakenBack,
            (true, 3) => Requeue::Expired,
            (true, _) => Requeue::Unheard,
        };
        let error = if self.random.chance(50) {
            ""
        } else {
            "no luck"
        };
        let attempts = self.random.up_to(5).try_into().unwrap_or(0);
        let error = error.into();
        let transition = match (lease, how, ready_time) {
            (Some(lease), Requeue::Expired, None) => Transition::JobsRequeued {
                leases: vec![LeaseRef { job, lease }],
                how,
                charged: attempts > 2,
                error,
            },
            (lease, how, ready_time) => Transition::JobRequeued {
                job,
                lease,
                how,
                attempts,
                ready_time,
                error,
            },
        };
        self.add(transition);
    }

    fn ready(&mut self) {
        let jobs = self.some(10, |status| matches!(status, Status::Scheduled { .. }));
        if !jobs.is_empty() {
            let transition = Transition::JobsReady { jobs };
            self.add(transition);
        }
    }

    fn lose(&mut self) {
        if let Some(job) = self.one(|status| matches!(status, Status::Ended { .. })) {
            self.add(Transition::ContentLost { job });
        }
    }

    fn extend_or_cancel(&mut self) {
        let Some(job) = self.one(is_leased) else {
            return;
        };
        let Some(lease) = self.lease_of(job) else {
            return;
        };
        let transition = if self.random.chance(50) {
            Transition::LeaseExtended {
                lease,
                expire_time: self.time.after(self.duration()),
            }
        } else {
            Transition::CancelRequested {
                job,
                reason: "not needed any more".into(),
            }
        };
        self.add(transition);
    }

    fn look_after_ledger(&mut self) {
        match self.random.up_to(3) {
            0 => {
                let transition = Transition::Stalled {
                    by: self.duration(),
                };
                self.add(transition);
            }
            1 => {
                let transition = Transition::QueueDeleted {
                    queue: QueueId(QUEUES + 1),
                };
                self.add(transition);
            }
            2 => {
                let transition = Transition::ClocksRead {
                    time: self.time,
                    wall: self.time.after(self.duration()),
                    running: self.duration(),
                    boot: [7; 16],
                };
                self.add(transition);
            }
            _ => {
                let queue = self.queue();
                self.set_queue(queue);
            }
        }
    }

    fn remove(&mut self) {
        let leased_too = self.random.chance(10);
        let max = 1 + self.random.up_to(15);
        let jobs = self.some(max, |status| leased_too || !is_leased(status));
        if !jobs.is_empty() {
            let transition = Transition::JobsRemoved { jobs };
            self.add(transition);
        }
    }

    /// Up to `max` jobs in such a state, neighbours mostly.
    fn some(&mut self, max: usize, wanted: impl Fn(&Status) -> bool) -> Vec<JobSeq> {
        let from = self.random.up_to(self.model.jobs.len());
        let sparse = self.random.chance(30);
        let jobs = self.model.jobs.values().skip(from);
        let jobs = jobs.filter(|job: &&JobRestated| wanted(&job.status));
        let random = &mut *self.random;
        let jobs = jobs.filter(|_| !sparse || random.chance(50));
        jobs.take(max).map(|job| job.job).collect()
    }

    fn one(&mut self, wanted: impl Fn(&Status) -> bool) -> Option<JobSeq> {
        self.some(1, wanted).first().copied()
    }

    fn lease_of(&self, job: JobSeq) -> Option<LeaseRef> {
        match self.model.jobs.get(&job)?.status {
            Status::Leased { lease, .. } => Some(LeaseRef { job, lease }),
            Status::Scheduled { .. } | Status::Ready | Status::Ended { .. } => None,
        }
    }
}

fn is_leased(status: &Status) -> bool {
    matches!(status, Status::Leased { .. })
}

fn name(queue: u32) -> QueueName {
    QueueName::new(&format!("queue-{queue}")).expect("a name")
}
