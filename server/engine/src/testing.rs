//! A desk for the table tests: an engine, a clock, and what came out.

#![allow(clippy::wildcard_enum_match_arm)] // what is not expected fails the test

use bytes::Bytes;

use crate::command::{
    Command, Extend, Flow, Get, NewJob, OpenSession, Put, Read, Settle, Settlement, Verdict,
};
use crate::effect::{Counts, Effect, Extension, Grant, JobView, QueueView, Reply};
use crate::id::{JobId, LeaseRef, NamespaceTag, QueueName, Scope, SessionId, Ticket};
use crate::rejection::Rejection;
use crate::settings::EngineConfig;
use crate::time::{Duration, Time};
use crate::transition::{Content, JobState, Transition};
use crate::{Engine, Output};

/// An engine at work. The clock stands at second 1000 and moves when told.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) now: Time,
    /// Everything that a store would have.
    pub(crate) journal: Vec<Transition>,
    /// What came out and was not looked at yet.
    pub(crate) effects: Vec<Effect>,
    /// Whether the invariants are checked after every command.
    pub(crate) checked: bool,
    config: EngineConfig,
    tickets: u64,
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

/// A job with this payload.
pub(crate) fn job(payload: &str) -> NewJob {
    NewJob::plain(Content {
        headers: Bytes::new(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    })
}

pub(crate) fn flow(jobs_max: usize) -> Flow {
    Flow {
        jobs_max,
        bytes_max: 1 << 20,
    }
}

pub(crate) fn lease_of(grant: &Grant) -> LeaseRef {
    LeaseRef {
        job: grant.job,
        lease: grant.lease,
    }
}

pub(crate) fn complete() -> Verdict {
    Verdict::Complete {
        result: Bytes::from_static(b"done"),
    }
}

pub(crate) fn fail() -> Verdict {
    Verdict::Fail {
        error: "broke".into(),
        retry_delay: Some(Duration::ZERO),
    }
}

pub(crate) fn reject() -> Verdict {
    Verdict::Reject {
        error: "never".into(),
    }
}

pub(crate) fn release() -> Verdict {
    Verdict::Release {
        delay: Duration::ZERO,
    }
}

pub(crate) fn settle_command(
    ticket: Ticket,
    settlements: Vec<Result<Settlement, Rejection>>,
) -> Command {
    Command::Settle(Settle {
        ticket,
        session: None,
        scope: Scope::All,
        settlements,
        random: 5,
    })
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    pub(crate) fn with(config: EngineConfig) -> Self {
        let mut desk = Self {
            engine: Engine::new(config.clone()),
            now: Time::from_millis(1_000_000),
            journal: Vec::new(),
            effects: Vec::new(),
            checked: true,
            config,
            tickets: 0,
        };
        let mut out = Output::default();
        desk.engine.create(NamespaceTag::new(77), [7; 16], &mut out);
        desk.journal.append(&mut out.transitions);
        desk
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Applies a command; the invariants hold after it.
    pub(crate) fn apply(&mut self, command: Command) {
        let mut out = Output::default();
        self.engine.apply(self.now, command, &mut out);
        if self.checked {
            self.engine.check_invariants().unwrap();
        }
        self.journal.append(&mut out.transitions);
        self.effects.append(&mut out.effects);
    }

    /// Decides commands one after the other and finishes them together; tells what
    /// became true.
    pub(crate) fn together(&mut self, commands: Vec<Command>) -> Vec<Transition> {
        let mut out = Output::default();
        for command in commands {
            self.engine.decide(self.now, command, &mut out);
        }
        self.engine.finish(self.now, &mut out);
        self.engine.check_invariants().unwrap();
        self.journal.extend_from_slice(&out.transitions);
        self.effects.append(&mut out.effects);
        out.transitions
    }

    /// The answer that this caller got; `None`: it waits.
    pub(crate) fn answer(&mut self, ticket: Ticket) -> Option<Result<Reply, Rejection>> {
        let at = self.effects.iter().position(
            |effect| matches!(effect, Effect::Reply { ticket: other, .. } if *other == ticket),
        )?;
        match self.effects.remove(at) {
            Effect::Reply { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// Applies a command that is answered at once.
    pub(crate) fn ask(
        &mut self,
        command: impl FnOnce(Ticket) -> Command,
    ) -> Result<Reply, Rejection> {
        let ticket = self.ticket();
        self.apply(command(ticket));
        self.answer(ticket).expect("an answer at once")
    }

    /// Time passes; everything due is done.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(next) = self.engine.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.apply(Command::Tick { random: 9 });
        }
        self.now = end;
    }

    /// A restart after `down`: all that was not durable is gone.
    pub(crate) fn restart(&mut self, down: Duration) {
        let mut engine = Engine::new(self.config.clone());
        for transition in &self.journal {
            engine.restore(transition, false).unwrap();
        }
        let mut out = Output::default();
        let last = self.now;
        self.now = self.now.after(down);
        engine.restored(last, self.now, None, &mut out);
        engine.check_invariants().unwrap();
        self.journal.append(&mut out.transitions);
        self.effects.clear();
        self.engine = engine;
    }

    pub(crate) fn put_command(&mut self, queue: &str, jobs: Vec<NewJob>) -> Put {
        Put {
            ticket: self.ticket(),
            queue: name(queue),
            jobs,
            repeatable: None,
            until: None,
        }
    }

    pub(crate) fn put(&mut self, queue: &str, jobs: Vec<NewJob>) -> Vec<JobId> {
        let put = self.put_command(queue, jobs);
        match self.send_put(put) {
            Some(Ok(Reply::Put { ids, .. })) => ids,
            other => panic!("not put: {other:?}"),
        }
    }

    pub(crate) fn send_put(&mut self, put: Put) -> Option<Result<Reply, Rejection>> {
        let ticket = put.ticket;
        self.apply(Command::Put(put));
        self.answer(ticket)
    }

    pub(crate) fn get_command(&mut self, queue: &str, jobs_max: usize) -> Get {
        Get {
            ticket: self.ticket(),
            queue: name(queue),
            jobs_max,
            lease_duration: None,
            auto_complete: false,
            until: None,
            worker: "tester".into(),
        }
    }

    pub(crate) fn get(&mut self, queue: &str, jobs_max: usize) -> Vec<Grant> {
        let get = self.get_command(queue, jobs_max);
        self.send_get(get).expect("an answer at once")
    }

    /// `None`: it waits.
    pub(crate) fn send_get(&mut self, get: Get) -> Option<Vec<Grant>> {
        let ticket = get.ticket;
        self.apply(Command::Get(get));
        self.got(ticket)
    }

    pub(crate) fn got(&mut self, ticket: Ticket) -> Option<Vec<Grant>> {
        match self.answer(ticket)? {
            Ok(Reply::Got { grants, .. }) => Some(grants),
            other => panic!("not got: {other:?}"),
        }
    }

    /// A waiting Get: 60 s.
    pub(crate) fn wait_get(&mut self, queue: &str, jobs_max: usize) -> Ticket {
        let mut get = self.get_command(queue, jobs_max);
        get.until = Some(self.now.after(secs(60)));
        let ticket = get.ticket;
        self.apply(Command::Get(get));
        ticket
    }

    pub(crate) fn open_command(&mut self, session: u64, queues: &[&str]) -> OpenSession {
        OpenSession {
            ticket: self.ticket(),
            session: SessionId(session),
            queues: queues.iter().map(|queue| name(queue)).collect(),
            worker: "worker".into(),
            flow: flow(1),
            lease_duration: secs(30),
            grace: secs(1),
            held: Vec::new(),
            scope: Scope::All,
        }
    }

    /// Opens a session; returns what is lost.
    pub(crate) fn open(&mut self, open: OpenSession) -> Result<Vec<LeaseRef>, Rejection> {
        let ticket = open.ticket;
        self.apply(Command::OpenSession(open));
        match self.answer(ticket).expect("an answer at once")? {
            Reply::Opened { lost } => Ok(lost),
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) fn open_with(&mut self, session: u64, queue: &str, jobs_max: usize) {
        let mut open = self.open_command(session, &[queue]);
        open.flow = flow(jobs_max);
        self.open(open).unwrap();
    }

    /// What was delivered to a session since it was last looked at.
    pub(crate) fn delivered(&mut self, session: u64) -> Vec<Grant> {
        let mut grants = Vec::new();
        self.effects.retain_mut(|effect| match effect {
            Effect::Deliver {
                session: to,
                grants: delivered,
                ..
            } if to.0 == session => {
                grants.append(delivered);
                false
            }
            _ => true,
        });
        grants
    }

    /// Settles without a session.
    pub(crate) fn settle(&mut self, lease: LeaseRef, verdict: Verdict) -> Result<(), Rejection> {
        self.settle_all(vec![(lease, verdict)]).remove(0)
    }

    pub(crate) fn settle_all(
        &mut self,
        verdicts: Vec<(LeaseRef, Verdict)>,
    ) -> Vec<Result<(), Rejection>> {
        let settlements = verdicts
            .into_iter()
            .map(|(lease, verdict)| Ok(Settlement { lease, verdict }))
            .collect();
        let settled = self.ask(|ticket| settle_command(ticket, settlements));
        match settled.unwrap() {
            Reply::Settled(results) => results,
            other => panic!("not settled: {other:?}"),
        }
    }

    pub(crate) fn extend(
        &mut self,
        lease: LeaseRef,
        duration: Duration,
    ) -> Result<Extension, Rejection> {
        let extended = self.ask(|ticket| {
            Command::Extend(Extend {
                ticket,
                session: None,
                scope: Scope::All,
                leases: vec![Ok(lease)],
                lease_duration: Some(duration),
                progress: "half".into(),
            })
        });
        match extended.unwrap() {
            Reply::Extended(mut results) => results.remove(0),
            other => panic!("not extended: {other:?}"),
        }
    }

    pub(crate) fn cancel(&mut self, job: JobId) -> Result<Reply, Rejection> {
        self.ask(|ticket| Command::CancelJob {
            ticket,
            scope: Scope::All,
            job,
            reason: "unwanted".into(),
        })
    }

    pub(crate) fn purge(&mut self, queue: &str, states: &[JobState]) -> Result<Reply, Rejection> {
        self.ask(|ticket| Command::Purge {
            ticket,
            queue: name(queue),
            states: states.to_vec(),
            jobs_max: 1000,
        })
    }

    pub(crate) fn read(&mut self, read: Read) -> Result<Reply, Rejection> {
        self.ask(|ticket| Command::Read {
            ticket,
            scope: Scope::All,
            read,
        })
    }

    pub(crate) fn queue(&mut self, queue: &str) -> QueueView {
        let queue = name(queue);
        match self.read(Read::Queue { queue }).unwrap() {
            Reply::Queue(view) => *view,
            other => panic!("not a queue: {other:?}"),
        }
    }

    pub(crate) fn counts(&mut self, queue: &str) -> Counts {
        self.queue(queue).counts
    }

    pub(crate) fn job(&mut self, job: JobId) -> Option<JobView> {
        let content = false;
        match self.read(Read::Job { job, content }) {
            Ok(Reply::Job { job, .. }) => Some(*job),
            Err(Rejection::JobNotFound { .. }) => None,
            other => panic!("not a job: {other:?}"),
        }
    }

    pub(crate) fn state(&mut self, job: JobId) -> Option<JobState> {
        self.job(job).map(|view| view.state)
    }
}
