//! Runs operations on the engine and on the reference, and compares them.

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::command::{
    Command, Extend, Flow, Get, NewJob, OpenSession, Put, SettingsChange, Settle, Settlement,
    Verdict,
};
use leaseq_engine::effect::{Effect, Reply};
use leaseq_engine::id::{
    JobId, JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueName, RequestId, Scope, SessionId,
    Ticket,
};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::{EngineConfig, QueueSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, JobState, Transition, VerdictKind};
use leaseq_engine::{Engine, Output};

use crate::ops::{Op, PutOp, VerdictOp, ms};
use crate::reference::{Reference, Who};

pub struct Runner {
    pub config: EngineConfig,
    pub engine: Engine,
    pub model: Reference,
    /// What a store would hold; `trimmed`: its beginning is gone.
    journal: Vec<Transition>,
    trimmed: bool,
    tickets: u64,
    sessions: u64,
    pub random: u64,
    /// Everything ever seen, to be named again.
    pub leases: Vec<LeaseRef>,
    pub ids: Vec<JobId>,
}

pub fn queue(n: usize) -> QueueName {
    QueueName::new(["a", "b", "c", "replies"][n % 4]).unwrap()
}

fn config() -> EngineConfig {
    EngineConfig {
        queue_defaults: QueueSettings {
            lease_duration: ms(3000),
            max_attempts: 3,
            retry: RetryPolicy {
                initial_delay: ms(400),
                delay_max: ms(1000),
                multiplier_percent: 200,
                jitter_percent: 50,
            },
            jobs_max: None,
            result_retention: Duration::ZERO,
        },
        request_id_window: Duration::from_secs(20),
        request_ids_max: 3,
        verdicts_max: 16,
        delivery_jobs_max: 3,
        ..EngineConfig::default()
    }
}

impl Runner {
    pub fn new() -> Self {
        let now = Time::from_millis(1_000_000);
        let tag = NamespaceTag::new(5);
        let mut out = Output::default();
        let mut engine = Engine::new(config());
        engine.create(tag, [9; 16], &mut out);
        Self {
            config: config(),
            engine,
            model: Reference::new(config(), tag, now),
            journal: out.transitions,
            trimmed: false,
            tickets: 0,
            sessions: 0,
            random: 1,
            leases: Vec::new(),
            ids: Vec::new(),
        }
    }

    pub fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Looks at something: nothing may come of it but the answer.
    pub fn look_up(&mut self, command: Command) -> Vec<Effect> {
        let mut out = Output::default();
        self.engine.apply(self.model.now, command, &mut out);
        assert_eq!(out.transitions, []);
        out.effects
    }

    /// Applies a command to the engine alone.
    pub fn apply(&mut self, command: Command) -> Vec<Effect> {
        let mut out = Output::default();
        self.engine.apply(self.model.now, command, &mut out);
        if let Err(violation) = self.engine.check_invariants() {
            panic!("{violation}");
        }
        self.model.look_at(&out.transitions);
        self.journal.append(&mut out.transitions);
        out.effects
    }

    pub fn run(&mut self, op: &Op) {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005) + 1;
        match op {
            Op::Pass(millis) => self.pass(ms(*millis)),
            Op::Jump(millis) => self.model.now = self.model.now.after(ms(*millis)),
            Op::Restart(down) => self.restart(ms(*down)),
            Op::Trim(part) => {
                self.trim(*part);
                self.restart(Duration::ZERO);
            }
            op => {
                if let Some(command) = self.command(op) {
                    self.step(command);
                }
            }
        }
        self.compare();
    }

    /// As the driver does it: a Tick whenever the next deadline has come.
    fn pass(&mut self, duration: Duration) {
        let end = self.model.now.after(duration);
        while let Some(next) = self.engine.next_deadline().filter(|next| *next <= end) {
            self.model.now = self.model.now.max(next);
            let random = self.random;
            self.step(Command::Tick { random });
        }
        self.model.now = end;
        assert_eq!(
            self.model.due(),
            [],
            "nothing may be due after its deadline"
        );
    }

    /// Applies a command to both.
    fn step(&mut self, command: Command) {
        self.model.job_answers.clear();
        let effects = self.apply(command.clone());
        let expected = self.expect(&command);
        self.audit(&command, effects, expected);
    }

    fn restart(&mut self, down: Duration) {
        let mut engine = Engine::new(self.config.clone());
        for transition in &self.journal {
            engine.restore(transition, self.trimmed).unwrap();
        }
        let mut out = Output::default();
        let last = self.model.now;
        self.model.now = last.after(down);
        engine.restored(last, self.model.now, &mut out);
        if let Err(violation) = engine.check_invariants() {
            panic!("after a restart: {violation}");
        }
        assert_eq!(engine.identity().unwrap().1, [9; 16]);
        self.journal.append(&mut out.transitions);
        self.engine = engine;
        self.model.restart(down);
    }

    /// Drops the first part of the journal after everything in it that is still
    /// alive was restated, as the store does.
    fn trim(&mut self, part: u8) {
        let cut = self.journal.len() * usize::from(part) / 256;
        let jobs = self.homes_before(cut);
        let effects = self.apply(Command::RestateJobs { jobs });
        assert_eq!(effects, []);
        let mut from = Some(0);
        while let Some(at) = from {
            let effects = self.apply(Command::RestateLedger { from: at });
            let [Effect::LedgerRestated { next }] = effects[..] else {
                panic!("{effects:?}");
            };
            from = next;
        }
        self.compare();
        self.journal.drain(..cut);
        self.trimmed |= cut > 0;
        // Verdicts are not restated: those in the dropped part are forgotten.
        self.model.verdicts = self.verdicts_in_journal();
    }

    /// The jobs whose last whole record is before `cut`.
    fn homes_before(&self, cut: usize) -> Vec<JobSeq> {
        let mut homes = std::collections::BTreeMap::new();
        for (at, transition) in self.journal.iter().enumerate() {
            let (first, count) = match transition {
                Transition::JobsAdded { first, sizes, .. }
                | Transition::JobsRestated { first, sizes, .. } => (*first, sizes.count()),
                Transition::OutcomeAdded { job, .. } => (*job, 1),
                Transition::JobRestated(restated) => (restated.job, 1),
                _ => continue,
            };
            for n in 0..u64::from(count) {
                homes.insert(first.plus(n), at);
            }
        }
        homes.retain(|_, at| *at < cut);
        homes.into_keys().collect()
    }

    fn verdicts_in_journal(&self) -> std::collections::BTreeMap<u64, VerdictKind> {
        use leaseq_engine::transition::Requeue;
        let mut found = std::collections::BTreeMap::new();
        for transition in &self.journal {
            match transition {
                Transition::JobsCompleted { leases } => found.extend(
                    leases
                        .iter()
                        .map(|lease| (lease.lease.0, VerdictKind::Complete)),
                ),
                Transition::JobEnded {
                    lease: Some(lease),
                    verdict: Some(kind),
                    ..
                } => drop(found.insert(lease.0, *kind)),
                Transition::JobRequeued {
                    lease: Some(lease),
                    how,
                    ..
                } => {
                    let kind = match how {
                        Requeue::Failed => VerdictKind::Fail,
                        Requeue::Released => VerdictKind::Release,
                        _ => continue,
                    };
                    found.insert(lease.0, kind);
                }
                _ => {}
            }
        }
        found
    }

    fn lease_back(&self, n: usize) -> LeaseRef {
        let garbage = LeaseRef {
            job: JobSeq(3),
            lease: LeaseNumber(100_000),
        };
        let at = self.leases.len().checked_sub(n + 1);
        at.map_or(garbage, |at| self.leases[at])
    }

    fn id_back(&self, n: usize) -> JobId {
        let stranger = JobId::new(JobSeq(2), Time::from_millis(1), NamespaceTag::new(1));
        let at = self.ids.len().checked_sub(n + 1);
        at.map_or(stranger, |at| self.ids[at])
    }

    fn session(&self, n: usize) -> SessionId {
        SessionId(self.sessions.saturating_sub(n as u64).max(1))
    }

    fn until(&self, wait: Option<u64>) -> Option<Time> {
        wait.map(|wait| self.model.now.after(ms(wait)))
    }

    fn command(&mut self, op: &Op) -> Option<Command> {
        let ticket = self.ticket();
        let scope = Scope::All;
        let random = self.random;
        Some(match op.clone() {
            Op::Put(put) => Command::Put(self.put(ticket, put)),
            Op::Get {
                queue: of,
                jobs,
                wait,
                auto,
                lease,
            } => Command::Get(Get {
                ticket,
                queue: queue(of),
                jobs_max: jobs,
                lease_duration: lease.map(ms),
                auto_complete: auto,
                until: self.until(wait),
                worker: "getter".into(),
            }),
            Op::Open {
                queues,
                jobs,
                bytes,
                lease,
                grace,
                held,
            } => {
                self.sessions += 1;
                let queues = (0..3).filter(|n| queues & (1 << n) != 0).map(queue);
                Command::OpenSession(OpenSession {
                    ticket,
                    session: SessionId(self.sessions),
                    queues: queues.collect(),
                    worker: "worker".into(),
                    flow: flow(jobs, bytes),
                    lease_duration: ms(lease),
                    grace: ms(grace),
                    held: held.into_iter().map(|n| self.lease_back(n)).collect(),
                    scope,
                })
            }
            Op::SetFlow {
                session,
                jobs,
                bytes,
            } => Command::SetFlow {
                session: self.session(session),
                flow: flow(jobs, bytes),
            },
            Op::Heartbeat(n) => Command::Heartbeat {
                session: self.session(n),
            },
            Op::DrainSession(n) => Command::DrainSession {
                session: self.session(n),
            },
            Op::CloseSession(n) => Command::CloseSession {
                session: self.session(n),
            },
            Op::Settle { session, verdicts } => Command::Settle(Settle {
                ticket,
                session: session.map(|n| self.session(n)),
                scope,
                settlements: verdicts
                    .into_iter()
                    .map(|(n, verdict)| self.settlement(n, verdict))
                    .collect(),
                random,
            }),
            Op::Extend {
                session,
                leases,
                duration,
            } => Command::Extend(Extend {
                ticket,
                session: session.map(|n| self.session(n)),
                scope,
                leases: leases.into_iter().map(|n| Ok(self.lease_back(n))).collect(),
                lease_duration: duration.map(ms),
                progress: if duration.is_some() {
                    "on".into()
                } else {
                    "".into()
                },
            }),
            Op::TakeBack(leases) => Command::TakeBack {
                leases: leases.into_iter().map(|n| self.lease_back(n)).collect(),
            },
            Op::Abandon(n) => Command::Abandon {
                ticket: self.model.waits.get(n)?.0,
            },
            Op::Cancel(n) => Command::CancelJob {
                ticket,
                scope,
                job: self.id_back(n),
                reason: "unwanted".into(),
            },
            Op::WaitJob { job, wait } => Command::WaitJob {
                ticket,
                scope,
                job: self.id_back(job),
                until: self.until(Some(wait)),
            },
            Op::WaitQueue {
                queue: of,
                settled,
                wait,
            } => Command::WaitQueue {
                ticket,
                queue: queue(of),
                settled,
                until: self.until(Some(wait)),
            },
            Op::Create(of, max) => Command::CreateQueue {
                ticket,
                queue: queue(of),
                settings: QueueSettings {
                    jobs_max: max,
                    ..self.config.queue_defaults.clone()
                },
            },
            Op::Bound(of, max) => Command::UpdateQueue {
                ticket,
                queue: queue(of),
                change: SettingsChange {
                    jobs_max: Some(max),
                    ..SettingsChange::default()
                },
                revision: None,
            },
            Op::Pause(of, paused) => Command::PauseQueue {
                ticket,
                queue: queue(of),
                paused,
            },
            Op::Delete(of) => Command::DeleteQueue {
                ticket,
                queue: queue(of),
            },
            Op::Purge(of, states, jobs_max) => Command::Purge {
                ticket,
                queue: queue(of),
                states: states_of(states),
                jobs_max,
            },
            Op::Redrive(of, jobs_max) => Command::Redrive {
                ticket,
                queue: queue(of),
                jobs_max,
            },
            Op::ClockMoved(by) => {
                self.model.now = self.model.now.after(ms(by));
                Command::ClockMoved { by: ms(by) }
            }
            Op::Drain => Command::Drain,
            Op::Pass(_) | Op::Jump(_) | Op::Restart(_) | Op::Trim(_) => return None,
        })
    }

    fn put(&self, ticket: Ticket, put: PutOp) -> Put {
        let jobs = put.sizes.iter().map(|size| NewJob {
            content: content(*size),
            priority: put.priority,
            ready_time: self.until(put.delay),
            max_attempts: put.max_attempts,
            retry: None,
            reply_to: put.reply_to.map(queue),
            run_time_max: put.run_time.map(ms),
            result_retention: put.retention.map(ms),
        });
        Put {
            ticket,
            queue: queue(put.queue),
            jobs: jobs.collect(),
            request_id: put.request_id.map(RequestId),
            until: self.until(put.wait),
        }
    }

    fn settlement(&self, n: usize, verdict: VerdictOp) -> Result<Settlement, Rejection> {
        if n == 39 {
            return Err(Rejection::TokenInvalid);
        }
        let verdict = match verdict {
            VerdictOp::Complete => Verdict::Complete {
                result: Bytes::from_static(b"result"),
            },
            VerdictOp::Fail(delay) => Verdict::Fail {
                error: "broke".into(),
                retry_delay: delay.map(ms),
            },
            VerdictOp::Reject => Verdict::Reject {
                error: "never".into(),
            },
            VerdictOp::Release(delay) => Verdict::Release { delay: ms(delay) },
        };
        let lease = self.lease_back(n);
        Ok(Settlement { lease, verdict })
    }
}

impl Reference {
    /// What a restart does to what is not durable.
    fn restart(&mut self, down: Duration) {
        self.move_leases(down);
        self.sessions.clear();
        self.waits.clear();
        self.draining = false;
        for job in self.jobs.values_mut() {
            if let crate::reference::State::Leased(lease) = &mut job.state {
                lease.worker.clear();
                lease.progress.clear();
                if lease.who != Who::Get {
                    lease.who = Who::Orphan(self.now.after(lease.duration));
                }
            }
        }
    }

    pub fn move_leases(&mut self, by: Duration) {
        for job in self.jobs.values_mut() {
            if let crate::reference::State::Leased(lease) = &mut job.state {
                lease.grant_time = lease.grant_time.after(by);
                lease.expire_time = lease.expire_time.after(by);
                if let Who::Orphan(until) = &mut lease.who {
                    *until = until.after(by);
                }
            }
        }
        for session in self.sessions.values_mut() {
            session.expire_time = session.expire_time.after(by);
        }
    }
}

pub fn reply_ticket(effect: &Effect) -> Option<(Ticket, &Result<Reply, Rejection>)> {
    match effect {
        Effect::Reply { ticket, reply } => Some((*ticket, reply)),
        _ => None,
    }
}

fn content(size: u8) -> Content {
    Content {
        headers: Bytes::new(),
        payload: Bytes::from(vec![b'x'; usize::from(size)]),
    }
}

fn flow(jobs_max: usize, bytes_max: u64) -> Flow {
    Flow {
        jobs_max,
        bytes_max,
    }
}

pub const STATES: [JobState; 6] = [
    JobState::Scheduled,
    JobState::Ready,
    JobState::Leased,
    JobState::Completed,
    JobState::Dead,
    JobState::Cancelled,
];

fn states_of(bits: u8) -> Vec<JobState> {
    let chosen = STATES.into_iter().enumerate();
    let chosen = chosen.filter(|(n, _)| bits & (1 << n) != 0);
    chosen.map(|(_, state)| state).collect()
}
