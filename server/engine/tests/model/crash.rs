//! Crashes and compaction: what is durable stays, what is not goes.

use std::time::Duration;

use leaseq_engine::command::Command;
use leaseq_engine::effect::{Effect, Reply};
use leaseq_engine::id::{JobSeq, NumberFloor};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::transition::{Transition, VerdictKind};
use leaseq_engine::{Engine, Output};

use crate::expect::Expected;
use crate::expect_leases::verdict_again;
use crate::reference::{Reference, State, Wait, Who};
use crate::runner::Runner;

impl Runner {
    pub fn restart(&mut self, down: Duration) {
        let mut engine = Engine::new(self.config.clone());
        for transition in &self.journal {
            engine.restore(transition, self.trimmed).unwrap();
        }
        let mut out = Output::default();
        let last = self.model.now;
        self.model.now = last.after(down);
        let floor = NumberFloor::at(self.model.now);
        engine.restored(last, self.model.now, Some(floor), &mut out);
        self.model.skip_numbers(&out.transitions);
        if let Err(violation) = engine.check_invariants() {
            panic!("after a restart: {violation}");
        }
        assert_eq!(engine.clocks(), self.model.clocks);
        assert_eq!(engine.identity().unwrap().1, [9; 16]);
        self.journal.append(&mut out.transitions);
        self.engine = engine;
        self.puts_dropped = 0;
        self.model.restart(down);
    }

    /// A verdict that may be forgotten may also be remembered, as it was.
    pub fn allow_old_verdicts(
        &self,
        command: &Command,
        effects: &[Effect],
        expected: &mut Expected,
    ) {
        let Command::Settle(settle) = command else {
            return;
        };
        let answers = effects.iter().find_map(|effect| match effect {
            Effect::Reply {
                reply: Ok(Reply::Settled(answers)),
                ..
            } => Some(answers),
            _ => None,
        });
        let wanted = expected
            .replies
            .iter_mut()
            .find_map(|(_, wanted)| match wanted {
                Some(Ok(Reply::Settled(wanted))) => Some(wanted),
                _ => None,
            });
        let (Some(answers), Some(wanted)) = (answers, wanted) else {
            return;
        };
        for ((wanted, answer), settlement) in
            wanted.iter_mut().zip(answers).zip(&settle.settlements)
        {
            let Ok(settlement) = settlement else { continue };
            let first = self.model.verdicts_ever.get(&settlement.lease.lease.0);
            if let (Err(Rejection::LeaseLost { .. }), Some(first)) = (&*wanted, first) {
                let as_it_was = verdict_again(*first, &settlement.verdict);
                if *answer == as_it_was {
                    *wanted = as_it_was;
                }
            }
        }
    }

    /// Drops the first part of the journal after everything in it that is still
    /// alive was restated, as the store does.
    pub fn trim(&mut self, part: u8) {
        let cut = self.journal.len() * usize::from(part) / 256;
        let jobs = self.homes_before(cut);
        let is_put = |it: &&Transition| matches!(it, Transition::PutRemembered { .. });
        let puts = self.journal.iter().take(cut).filter(is_put).count();
        let puts_before = self.puts_dropped + puts as u64;
        let effects = self.apply(Command::RestateJobs { jobs });
        assert_eq!(effects, []);
        let mut from = Some(0);
        while let Some(at) = from {
            let effects = self.apply(Command::RestateLedger {
                from: at,
                puts_before,
            });
            let [Effect::LedgerRestated { next, .. }] = effects[..] else {
                panic!("{effects:?}");
            };
            from = next;
        }
        self.compare();
        self.journal.drain(..cut);
        self.puts_dropped = puts_before;
        self.trimmed |= cut > 0;
        // Verdicts are not restated: those in the dropped part are forgotten.
        self.model.verdicts = self.verdicts_in_journal();
    }

    /// The jobs whose last whole record is before `cut`.
    pub fn homes_before(&self, cut: usize) -> Vec<JobSeq> {
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

    pub fn verdicts_in_journal(&self) -> std::collections::BTreeMap<u64, VerdictKind> {
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
}

impl Reference {
    /// A start raises the numbers, whatever the clock says.
    fn skip_numbers(&mut self, first_batch: &[Transition]) {
        let raised = first_batch.iter().find_map(|it| match it {
            Transition::CountersRestated {
                next_job,
                next_lease,
                ..
            } => Some((next_job.0, next_lease.0)),
            _ => None,
        });
        let (next_job, next_lease) = raised.expect("each start raises the numbers");
        assert!(next_job > self.next_job && next_lease > self.next_lease);
        (self.next_job, self.next_lease) = (next_job, next_lease);
    }

    /// What a restart does to what is not durable.
    pub fn restart(&mut self, down: Duration) {
        self.stall(down);
        self.sessions.clear();
        self.waits.clear();
        self.draining = false;
        for job in self.jobs.values_mut() {
            if let State::Leased(lease) = &mut job.state {
                lease.worker.clear();
                lease.progress.clear();
                if lease.who != Who::Get {
                    lease.who = Who::Orphan(self.now.after(lease.duration));
                }
            }
        }
    }

    pub fn stall(&mut self, by: Duration) {
        for job in self.jobs.values_mut() {
            if let State::Leased(lease) = &mut job.state {
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
        for (_, wait) in &mut self.waits {
            let until = match wait {
                Wait::Get(get) => get.until.as_mut().unwrap(),
                Wait::Put(put) => put.until.as_mut().unwrap(),
                Wait::Job(_, until) | Wait::Queue(_, _, until) => until,
            };
            *until = until.after(by);
        }
    }
}
