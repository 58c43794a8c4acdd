//! Runs operations on the engine and on the reference, and compares them.

use std::collections::BTreeMap;
use std::time::Duration;

use leaseq_engine::command::Command;
use leaseq_engine::effect::{Effect, Reply};
use leaseq_engine::id::{JobId, LeaseRef, NamespaceTag, QueueName, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::{EngineConfig, QueueSettings, REQUEST_ID_BYTES, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{JobState, Transition};
use leaseq_engine::{Engine, Output};

use crate::expect::Expected;
use crate::ops::{Op, PutOp, ms};
use crate::reference::Reference;

pub struct Runner {
    pub config: EngineConfig,
    pub engine: Engine,
    pub model: Reference,
    /// What a store would hold; `trimmed`: its beginning is gone.
    pub journal: Vec<Transition>,
    /// How many remembered Puts were dropped from it since the engine started.
    pub puts_dropped: u64,
    pub trimmed: bool,
    pub tickets: u64,
    pub sessions: u64,
    pub random: u64,
    /// Commands were decided and not finished: some may wait in vain.
    pub unfinished: bool,
    /// Everything ever seen, to be named again.
    pub leases: Vec<LeaseRef>,
    pub ids: Vec<JobId>,
    /// The last Put of each request id.
    pub sent: BTreeMap<u128, PutOp>,
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
        request_id_bytes_max: 3 * REQUEST_ID_BYTES,
        releases_max: 2,
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
            puts_dropped: 0,
            trimmed: false,
            tickets: 0,
            sessions: 0,
            random: 1,
            unfinished: false,
            leases: Vec::new(),
            ids: Vec::new(),
            sent: BTreeMap::new(),
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
        if self.unfinished {
            self.engine.decide(self.model.now, command, &mut out);
        } else {
            self.engine.apply(self.model.now, command, &mut out);
        }
        self.keep(out)
    }

    fn keep(&mut self, mut out: Output) -> Vec<Effect> {
        if !self.unfinished
            && let Err(violation) = self.engine.check_invariants()
        {
            panic!("{violation}");
        }
        self.model.look_at(&out.transitions);
        self.journal.append(&mut out.transitions);
        out.effects
    }

    pub fn run(&mut self, op: &Op) {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005) + 1;
        // As the driver does it with commands that come together: Puts and verdicts
        // are decided one after the other and finished together.
        if matches!(op, Op::Put(_) | Op::Settle { .. }) && self.random >> 63 == 0 {
            if let Some(command) = self.command(op) {
                self.unfinished = true;
                self.step(command);
            }
            return;
        }
        self.finish();
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

    /// Finishes what was decided.
    pub fn finish(&mut self) {
        if !self.unfinished {
            return;
        }
        self.unfinished = false;
        self.model.job_answers.clear();
        let mut out = Output::default();
        self.engine.finish(self.model.now, &mut out);
        let effects = self.keep(out);
        self.audit(&"the last of several", effects, Expected::default());
    }

    /// Applies a command to both.
    fn step(&mut self, command: Command) {
        self.model.job_answers.clear();
        let effects = self.apply(command.clone());
        let mut expected = self.expect(&command);
        self.allow_old_verdicts(&command, &effects, &mut expected);
        self.audit(&command, effects, expected);
    }
}

pub fn reply_ticket(effect: &Effect) -> Option<(Ticket, &Result<Reply, Rejection>)> {
    match effect {
        Effect::Reply { ticket, reply } => Some((*ticket, reply)),
        _ => None,
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
