//! A naive queue, written from the promises and not from the engine: one list of
//! jobs, no index, everything recomputed. What is a free choice of the engine (a
//! random wait, the place of an outcome job) is taken from its transitions and
//! checked to be within bounds.

use std::collections::BTreeMap;
use std::time::Duration;

use leaseq_engine::command::{Flow, Get, Put};
use leaseq_engine::effect::{Counts, JobResult, Reply};
use leaseq_engine::id::{JobId, JobSeq, LeaseRef, NamespaceTag, QueueName, SessionId, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::{EngineConfig, JobSettings, QueueSettings};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{End, JobState, Outcome, Transition, VerdictKind};

#[derive(Clone, Debug)]
pub struct Job {
    pub queue: QueueName,
    pub put_time: Time,
    pub settings: JobSettings,
    pub size: u32,
    pub attempts: u32,
    pub error: String,
    pub cancel: Option<String>,
    pub outcome: Option<Outcome>,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Scheduled(Time),
    Ready,
    Leased(Lease),
    Ended { end: End, until: Option<Time> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub number: u64,
    pub grant_time: Time,
    pub duration: Duration,
    pub expire_time: Time,
    pub who: Who,
    pub worker: String,
    pub progress: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Get,
    Session(SessionId),
    /// Of a session before the restart, until then.
    Orphan(Time),
}

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
    /// Tells a queue from an earlier one of the same name.
    pub birth: u64,
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
    pub queue: QueueName,
    pub birth: u64,
    pub first: u64,
    pub count: usize,
    pub size: u64,
    pub put_time: Time,
}

#[derive(Clone, Debug)]
pub struct Reference {
    pub config: EngineConfig,
    pub tag: NamespaceTag,
    pub now: Time,
    pub next_job: u64,
    pub next_lease: u64,
    pub births: u64,
    pub queues: BTreeMap<QueueName, Queue>,
    pub jobs: BTreeMap<JobSeq, Job>,
    pub sessions: BTreeMap<SessionId, Session>,
    /// In the order they came.
    pub waits: Vec<(Ticket, Wait)>,
    pub done: BTreeMap<u128, Done>,
    pub verdicts: BTreeMap<u64, VerdictKind>,
    pub draining: bool,
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
            births: 0,
            queues: BTreeMap::new(),
            jobs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            waits: Vec::new(),
            done: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            draining: false,
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
                    self.errors.insert(*job, error.to_string());
                }
                Transition::JobEnded { job, error, .. } => {
                    self.errors.insert(*job, error.to_string());
                }
                _ => {}
            }
        }
    }

    pub fn id(&self, seq: JobSeq) -> JobId {
        JobId::new(seq, self.jobs[&seq].put_time, self.tag)
    }

    pub fn create(&mut self, name: &QueueName, settings: QueueSettings) {
        self.births += 1;
        let queue = Queue {
            settings,
            paused: false,
            revision: 1,
            create_time: self.now,
            birth: self.births,
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

    /// The lease, if it stands.
    pub fn lease(&self, lease: LeaseRef) -> Option<&Lease> {
        match &self.jobs.get(&lease.job)?.state {
            State::Leased(current) if current.number == lease.lease.0 => Some(current),
            _ => None,
        }
    }

    /// Whether the Put may be done: its repeat, room, or a refusal.
    pub fn may_put(&self, put: &Put, new: bool) -> Result<Option<Reply>, Rejection> {
        if self.draining {
            return Err(Rejection::Draining);
        }
        let count = put.jobs.len();
        let size: u64 = put.jobs.iter().map(|j| u64::from(j.content.size())).sum();
        let done = put.request_id.and_then(|id| self.done.get(&id.0));
        let window = self.config.request_id_window;
        if let Some(done) = done.filter(|done| done.put_time.after(window) > self.now) {
            let same_queue = done.queue == put.queue
                || !self.queues.values().any(|queue| queue.birth == done.birth);
            if !same_queue || done.count != count || done.size != size {
                return Err(Rejection::RequestIdReused);
            }
            let ids = (0..count as u64)
                .map(|n| JobId::new(JobSeq(done.first + n), done.put_time, self.tag))
                .collect();
            return Ok(Some(Reply::Put {
                ids,
                deduplicated: true,
            }));
        }
        let defaults = &self.config.queue_defaults;
        let settings = self
            .queues
            .get(&put.queue)
            .map_or(defaults, |q| &q.settings);
        let full = |jobs_max| {
            Err(Rejection::QueueFull {
                queue: put.queue.clone(),
                jobs_max,
            })
        };
        if let Some(max) = settings.jobs_max {
            let others = new
                && self
                    .waits
                    .iter()
                    .any(|(_, wait)| matches!(wait, Wait::Put(other) if other.queue == put.queue));
            if others || self.counts(&put.queue).live() + count as u64 > max {
                return full(max);
            }
        }
        Ok(None)
    }

    /// Whether the Put could never fit.
    pub fn never_fits(&self, put: &Put) -> bool {
        let max = self
            .queues
            .get(&put.queue)
            .and_then(|q| q.settings.jobs_max);
        max.is_some_and(|max| put.jobs.len() as u64 > max)
    }

    pub fn put(&mut self, put: &Put) -> Reply {
        self.create_if_missing(&put.queue);
        for job in &put.jobs {
            if let Some(reply_to) = &job.reply_to {
                self.create_if_missing(reply_to);
            }
        }
        let queue = self.queues[&put.queue].clone();
        let first = self.next_job;
        let mut ids = Vec::new();
        let mut size = 0;
        for job in &put.jobs {
            let seq = JobSeq(self.next_job);
            self.next_job += 1;
            let ready_time = job.ready_time.filter(|at| *at > self.now);
            size += u64::from(job.content.size());
            let new = Job {
                queue: put.queue.clone(),
                put_time: self.now,
                settings: JobSettings {
                    priority: job.priority,
                    ready_time,
                    max_attempts: job.max_attempts.unwrap_or(queue.settings.max_attempts),
                    retry: job.retry.unwrap_or(queue.settings.retry),
                    reply_to: job.reply_to.clone(),
                    run_time_max: job.run_time_max,
                    result_retention: job
                        .result_retention
                        .unwrap_or(queue.settings.result_retention),
                },
                size: job.content.size(),
                attempts: 0,
                error: String::new(),
                cancel: None,
                outcome: None,
                state: ready_time.map_or(State::Ready, State::Scheduled),
            };
            self.jobs.insert(seq, new);
            ids.push(self.id(seq));
        }
        if let Some(id) = put.request_id {
            let done = Done {
                queue: put.queue.clone(),
                birth: queue.birth,
                first,
                count: put.jobs.len(),
                size,
                put_time: self.now,
            };
            self.done.insert(id.0, done);
            while self.done.len() > self.config.request_ids_max {
                let oldest = self.done.iter().min_by_key(|(_, done)| done.first);
                let oldest = *oldest.unwrap().0;
                self.done.remove(&oldest);
            }
        }
        Reply::Put {
            ids,
            deduplicated: false,
        }
    }

    /// A job ends, wherever it is.
    pub fn end(&mut self, seq: JobSeq, end: End, error: &str, result: &[u8]) {
        let id = self.id(seq);
        let job = self.jobs.get_mut(&seq).unwrap();
        let error = if end != End::Completed && error.is_empty() {
            job.error.clone()
        } else {
            error.to_string()
        };
        let outcome = Outcome {
            job: id,
            queue: job.queue.clone(),
            end,
            error: error.as_str().into(),
            attempts: job.attempts,
        };
        let retention = job.settings.result_retention;
        let until = match end {
            End::Dead => None,
            _ => (!retention.is_zero()).then(|| self.now.after(retention)),
        };
        job.cancel = None;
        if !error.is_empty() {
            job.error = error;
        }
        job.state = State::Ended { end, until };
        if end == End::Completed {
            job.size = result.len() as u32;
        }
        let reply_to = job.settings.reply_to.clone();
        if end != End::Dead && until.is_none() {
            self.jobs.remove(&seq);
        }
        if let Some(reply_to) = reply_to {
            self.put_outcome(&reply_to, outcome.clone(), result);
        } else {
            assert!(
                !self.outcome_places.contains_key(&id),
                "nobody asked for {id}"
            );
        }
        self.answer_job_waits(seq, &outcome, result);
    }

    fn put_outcome(&mut self, reply_to: &QueueName, outcome: Outcome, result: &[u8]) {
        self.create_if_missing(reply_to);
        let place = self
            .outcome_places
            .remove(&outcome.job)
            .expect("an outcome");
        assert!(!self.jobs.contains_key(&place));
        self.next_job = self.next_job.max(place.0 + 1);
        let settings = &self.queues[reply_to].settings;
        let job = Job {
            queue: reply_to.clone(),
            put_time: self.now,
            settings: JobSettings {
                priority: 0,
                ready_time: None,
                max_attempts: settings.max_attempts,
                retry: settings.retry,
                reply_to: None,
                run_time_max: None,
                result_retention: settings.result_retention,
            },
            size: result.len() as u32,
            attempts: 0,
            error: String::new(),
            cancel: None,
            outcome: Some(outcome),
            state: State::Ready,
        };
        self.jobs.insert(place, job);
    }

    fn answer_job_waits(&mut self, seq: JobSeq, outcome: &Outcome, result: &[u8]) {
        let (answered, left) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition(|(_, wait)| matches!(wait, Wait::Job(job, _) if *job == seq));
        self.waits = left;
        for (ticket, _) in answered {
            let reply = Reply::JobWaited {
                state: state_of(outcome.end),
                outcome: Some(Box::new(outcome.clone())),
                result: if result.is_empty() {
                    JobResult::None
                } else {
                    JobResult::Bytes(bytes::Bytes::copy_from_slice(result))
                },
            };
            self.job_answers.push((ticket, reply));
        }
    }

    /// The attempt of a leased job ends and does not end the job by itself.
    pub fn end_attempt(&mut self, seq: JobSeq, counted: bool, error: &str, back: Back) {
        let now = self.now;
        let job = self.jobs.get_mut(&seq).unwrap();
        assert!(matches!(job.state, State::Leased(_)));
        if let Some(reason) = job.cancel.clone() {
            return self.end(seq, End::Cancelled, &reason, b"");
        }
        if counted && job.attempts >= job.settings.max_attempts {
            return self.end(seq, End::Dead, error, b"");
        }
        if !counted {
            job.attempts -= 1;
        }
        if !error.is_empty() {
            job.error = error.to_string();
        }
        let given = self.requeued.get(&seq).copied().flatten();
        job.state = match back {
            Back::At(delay) if delay.is_zero() => State::Ready,
            Back::At(delay) => State::Scheduled(now.after(delay)),
            Back::Retry => {
                let policy = job.settings.retry;
                let mut wait = policy.initial_delay;
                for _ in 1..job.attempts {
                    wait = wait * policy.multiplier_percent / 100;
                }
                let wait = wait.min(policy.delay_max);
                let least = wait - wait * policy.jitter_percent / 100;
                let given = given.expect("a retry waits");
                assert!(given >= now.after(least) && given <= now.after(wait));
                State::Scheduled(given)
            }
        };
    }

    pub fn remember(&mut self, lease: LeaseRef, kind: VerdictKind) {
        self.verdicts.insert(lease.lease.0, kind);
    }

    pub fn recall(&self, lease: LeaseRef) -> Option<VerdictKind> {
        let oldest = self
            .next_lease
            .saturating_sub(self.config.verdicts_max as u64);
        let recent = lease.lease.0 >= oldest;
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

impl Job {
    pub fn job_state(&self) -> JobState {
        match &self.state {
            State::Scheduled(_) => JobState::Scheduled,
            State::Ready => JobState::Ready,
            State::Leased(_) => JobState::Leased,
            State::Ended { end, .. } => state_of(*end),
        }
    }

    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }
}

pub fn state_of(end: End) -> JobState {
    match end {
        End::Completed => JobState::Completed,
        End::Dead => JobState::Dead,
        End::Cancelled => JobState::Cancelled,
    }
}
