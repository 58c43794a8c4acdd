//! A naive queue, written from the promises and not from the engine: one list of
//! jobs, no index, everything recomputed. What is a free choice of the engine (a
//! random wait, the place of an outcome job) is taken from its transitions and
//! checked to be within bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use leaseq_engine::command::{Flow, Get, Put};
use leaseq_engine::effect::{Counts, Reply};
use leaseq_engine::id::{
    JobId, JobSeq, JobsHash, LeaseRef, NamespaceTag, QueueName, SessionId, Ticket,
};
use leaseq_engine::settings::{EngineConfig, QueueSettings};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{ClockReading, JobState, Transition, VerdictKind};

pub use crate::job::{Job, Lease, State, Who, state_of};

#[derive(Clone, Debug)]
pub struct Session {
    pub queues: Vec<QueueName>,
    pub flow: Flow,
    pub lease_duration: Duration,
    pub grace: Duration,
    pub expire_time: Time,
    pub draining: bool,
    pub gone: bool,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub settings: QueueSettings,
    pub paused: bool,
    pub revision: u64,
    pub create_time: Time,
}

#[derive(Clone, Debug)]
pub enum Wait {
    Get(Get),
    Put(Put),
    Job(JobSeq, Time),
    Queue(QueueName, bool, Time),
}

#[derive(Clone, Debug)]
pub struct Done {
    pub jobs: JobsHash,
    pub first: u64,
    pub count: usize,
    pub put_time: Time,
}

#[derive(Clone, Debug)]
pub struct Reference {
    pub config: EngineConfig,
    pub tag: NamespaceTag,
    pub now: Time,
    pub next_job: u64,
    pub next_lease: u64,
    pub queues: BTreeMap<QueueName, Queue>,
    pub jobs: BTreeMap<JobSeq, Job>,
    pub sessions: BTreeMap<SessionId, Session>,
    /// In the order they came.
    pub waits: Vec<(Ticket, Wait)>,
    pub done: BTreeMap<u128, Done>,
    pub verdicts: BTreeMap<u64, VerdictKind>,
    /// All verdicts, those included that may be forgotten.
    pub verdicts_ever: BTreeMap<u64, VerdictKind>,
    /// The numbers of all leases granted, rising.
    pub granted: Vec<u64>,
    pub draining: bool,
    pub clocks: Option<ClockReading>,
    /// The answers to WaitJob that the last command has to give.
    pub job_answers: Vec<(Ticket, Reply)>,
    /// The places that the engine gave the outcomes of jobs in the last command.
    pub outcome_places: BTreeMap<JobId, JobSeq>,
    /// When the engine made jobs ready again in the last command, and the errors.
    pub requeued: BTreeMap<JobSeq, Option<Time>>,
    pub errors: BTreeMap<JobSeq, String>,
}

impl Reference {
    pub fn new(config: EngineConfig, tag: NamespaceTag, now: Time) -> Self {
        Self {
            config,
            tag,
            now,
            next_job: 1,
            next_lease: 1,
            queues: BTreeMap::new(),
            jobs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            waits: Vec::new(),
            done: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            verdicts_ever: BTreeMap::new(),
            granted: Vec::new(),
            draining: false,
            clocks: None,
            job_answers: Vec::new(),
            outcome_places: BTreeMap::new(),
            requeued: BTreeMap::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Notes the engine's free choices.
    pub fn look_at(&mut self, transitions: &[Transition]) {
        self.outcome_places.clear();
        self.requeued.clear();
        self.errors.clear();
        for transition in transitions {
            match transition {
                Transition::OutcomeAdded { job, outcome, .. } => {
                    let before = self.outcome_places.insert(outcome.job, *job);
                    assert_eq!(before, None, "two outcomes of {:?}", outcome.job);
                }
                Transition::JobRequeued {
                    job,
                    ready_time,
                    error,
                    ..
                } => {
                    self.requeued.insert(*job, *ready_time);
                    self.errors.entry(*job).or_insert(error.to_string());
                }
                Transition::JobsRequeued { leases, error, .. } => {
                    for lease in leases {
                        self.requeued.insert(lease.job, None);
                        self.errors.entry(lease.job).or_insert(error.to_string());
                    }
                }
                Transition::JobEnded { job, error, .. } => {
                    self.errors.entry(*job).or_insert(error.to_string());
                }
                _ => {}
            }
        }
    }

    pub fn id(&self, seq: JobSeq) -> JobId {
        JobId::new(seq, self.jobs[&seq].put_time, self.tag)
    }

    pub fn create(&mut self, name: &QueueName, settings: QueueSettings) {
        let queue = Queue {
            settings,
            paused: false,
            revision: 1,
            create_time: self.now,
        };
        self.queues.insert(name.clone(), queue);
    }

    pub fn create_if_missing(&mut self, name: &QueueName) {
        if !self.queues.contains_key(name) {
            self.create(name, self.config.queue_defaults.clone());
        }
    }

    pub fn counts(&self, queue: &QueueName) -> Counts {
        let mut counts = Counts::default();
        for job in self.jobs.values().filter(|job| job.queue == *queue) {
            match job.job_state() {
                JobState::Scheduled => counts.scheduled += 1,
                JobState::Ready => counts.ready += 1,
                JobState::Leased => counts.leased += 1,
                JobState::Completed => counts.completed += 1,
                JobState::Dead => counts.dead += 1,
                JobState::Cancelled => counts.cancelled += 1,
            }
        }
        counts
    }

    /// The ready order.
    pub fn ready(&self, queue: &QueueName) -> Vec<JobSeq> {
        let of_queue = self.jobs.iter().filter(|(_, job)| job.queue == *queue);
        let mut ready: Vec<_> = of_queue
            .filter(|(_, job)| job.state == State::Ready)
            .map(|(seq, job)| (-job.settings.priority, *seq))
            .collect();
        ready.sort();
        ready.into_iter().map(|(_, seq)| seq).collect()
    }

    pub fn held(&self, session: SessionId) -> Vec<JobSeq> {
        let held = self.jobs.iter().filter(|(_, job)| match &job.state {
            State::Leased(lease) => lease.who == Who::Session(session),
            _ => false,
        });
        held.map(|(seq, _)| *seq).collect()
    }

    pub fn held_bytes(&self, session: SessionId) -> u64 {
        let held = self.held(session).into_iter();
        held.map(|seq| u64::from(self.jobs[&seq].size)).sum()
    }

    /// Whether the session has a free place.
    pub fn has_place(&self, id: SessionId, session: &Session) -> bool {
        let held = self.held(id).len();
        let open = !session.gone && !session.draining && held < session.flow.jobs_max;
        open && (held == 0 || self.held_bytes(id) < session.flow.bytes_max)
    }

    /// Whether the session could take the first job of the queue.
    pub fn takes_more(&self, id: SessionId, session: &Session, queue: &QueueName) -> bool {
        let paused = self.queues.get(queue).is_none_or(|queue| queue.paused);
        let ready = self.ready(queue);
        let Some(first) = ready.first().filter(|_| !paused) else {
            return false;
        };
        let bytes = self.held_bytes(id) + u64::from(self.jobs[first].size);
        let fits = self.held(id).is_empty() || bytes <= session.flow.bytes_max;
        self.has_place(id, session) && fits
    }

    /// Who waits for a job of the queue, and who for byte room.
    pub fn waiting(&self, queue: &QueueName) -> (u64, u64) {
        if self.draining {
            return (0, 0);
        }
        let gets = self.waits.iter();
        let gets = gets.filter(|(_, wait)| matches!(wait, Wait::Get(get) if get.queue == *queue));
        let of_queue = |session: &Session| session.queues.contains(queue);
        let sessions = self.sessions.iter();
        let sessions = sessions.filter(|(id, s)| of_queue(s) && self.has_place(**id, s));
        let (gets, sessions) = (gets.count() as u64, sessions.count() as u64);
        if self.ready(queue).is_empty() || self.queues[queue].paused {
            (gets + sessions, 0)
        } else {
            (gets, sessions)
        }
    }

    pub fn lease(&self, lease: LeaseRef) -> Option<&Lease> {
        match &self.jobs.get(&lease.job)?.state {
            State::Leased(current) if current.number == lease.lease.0 => Some(current),
            _ => None,
        }
    }

    pub fn remember(&mut self, lease: LeaseRef, kind: VerdictKind) {
        self.verdicts.insert(lease.lease.0, kind);
        self.verdicts_ever.insert(lease.lease.0, kind);
    }

    /// The verdict, if its lease is one of the last that must be remembered.
    pub fn recall(&self, lease: LeaseRef) -> Option<VerdictKind> {
        let last = self.granted.len().saturating_sub(self.config.verdicts_max);
        let recent = self
            .granted
            .get(last)
            .is_some_and(|oldest| lease.lease.0 >= *oldest);
        recent
            .then(|| self.verdicts.get(&lease.lease.0).copied())
            .flatten()
    }

    /// When the lease ends as things are.
    pub fn expire_time(&self, lease: &Lease) -> Time {
        match lease.who {
            Who::Get => lease.expire_time,
            Who::Session(session) => self.sessions[&session].expire_time,
            Who::Orphan(until) => until,
        }
    }

    /// Sessions that are gone are forgotten when they hold nothing.
    pub fn sweep_sessions(&mut self) {
        let gone: Vec<_> = self.sessions.iter().filter(|(_, s)| s.gone).collect();
        let empty: Vec<_> = gone
            .into_iter()
            .filter(|(id, _)| self.held(**id).is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in empty {
            self.sessions.remove(&id);
        }
    }

    pub fn renew(&mut self, session: Option<SessionId>) {
        let now = self.now;
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(&id))
            && !session.gone
        {
            session.expire_time = now.after(session.lease_duration);
        }
    }

    /// What is due now, in order: a moment, a kind, and of what.
    pub fn due(&self) -> Vec<(Time, Due)> {
        let mut due = Vec::new();
        for (seq, job) in &self.jobs {
            match &job.state {
                State::Scheduled(at) => due.push((*at, Due::Ready(*seq))),
                State::Ready => {}
                State::Leased(lease) => {
                    due.push((self.expire_time(lease), Due::Expire(*seq)));
                    if let Some(max) = job.settings.run_time_max {
                        due.push((lease.grant_time.after(max), Due::RunTime(*seq)));
                    }
                }
                State::Ended { until, .. } => {
                    due.extend(until.map(|at| (at, Due::Forget(*seq))));
                }
            }
        }
        for (id, session) in &self.sessions {
            due.push((session.expire_time, Due::Session(*id)));
        }
        for (ticket, wait) in &self.waits {
            let until = match wait {
                Wait::Get(get) => get.until.unwrap(),
                Wait::Put(put) => put.until.unwrap(),
                Wait::Job(_, until) | Wait::Queue(_, _, until) => *until,
            };
            due.push((until, Due::Wait(*ticket)));
        }
        due.retain(|(at, _)| *at <= self.now);
        due.sort();
        due
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Ready(JobSeq),
    Expire(JobSeq),
    RunTime(JobSeq),
    Forget(JobSeq),
    Session(SessionId),
    Wait(Ticket),
}

/// When a job comes back.
#[derive(Clone, Copy)]
pub enum Back {
    At(Duration),
    Retry,
}
