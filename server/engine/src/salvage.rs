//! Salvage: the state that can be told from a journal of which parts are missing, written
//! as the beginning of a new journal. For `leaseq doctor --salvage`.
//!
//! Where the end of a job may have been in a missing part, the job is ready again: better
//! delivered twice than lost.

use crate::command::Command;
use crate::effect::Effect;
use crate::engine::{Engine, Output};
use crate::id::{JobSeq, LeaseNumber, LeaseRef};
use crate::state::evolve::Unknown;
use crate::time::Time;
use crate::transition::{End, JobRestated, Requeue, Sizes, Status, Transition};

/// How far the next numbers of jobs and leases are moved beyond any that were seen, so
/// that none is given a second time that was given in a missing part.
const NUMBER_MARGIN: u64 = 1 << 32;

impl Engine {
    /// Takes a transition of a journal of which parts are missing. False: it contradicts
    /// what is known and was passed over.
    pub fn restore_what_fits(&mut self, transition: &Transition) -> bool {
        // The grant may be missing: that the job is done holds all the same.
        if let Transition::JobsCompleted { leases } = transition {
            let done = leases.iter().map(|lease| self.complete_somehow(*lease));
            return done.fold(true, |all, one| all & one);
        }
        // It tells all about the job, which may have changed in a missing part.
        if let Transition::JobRestated(job) = transition
            && self.state.known(job.job).is_some()
        {
            self.remove(job.job);
        }
        self.fits(transition)
    }

    fn fits(&mut self, transition: &Transition) -> bool {
        let evolved = self.state.evolve(transition, None, Unknown::PassOver);
        evolved.is_ok()
    }

    fn complete_somehow(&mut self, lease: LeaseRef) -> bool {
        let leases = vec![lease];
        let fits = self.fits(&Transition::JobsCompleted { leases });
        let lives = self.state.jobs.get(lease.job).is_some();
        if lives || self.state.groups.get(lease.job).is_some() {
            self.remove(lease.job);
        }
        fits
    }

    fn remove(&mut self, job: JobSeq) {
        let jobs = vec![job];
        self.fits(&Transition::JobsRemoved { jobs });
    }

    /// Ends every lease: its worker may have settled it in a missing part, and its
    /// session is gone. The attempts do not count.
    pub fn end_leases(&mut self, now: Time) {
        let leased = self.state.jobs.iter().filter_map(|(job, entry)| {
            let lease = entry.lease()?.number;
            Some(LeaseRef { job, lease })
        });
        let leases = leased.collect();
        self.apply(now, Command::TakeBack { leases }, &mut Output::default());
    }

    /// What is known as the transitions of a new journal, without contents. Leases must
    /// have ended.
    pub fn salvaged(&mut self, now: Time) -> Vec<Transition> {
        let mut new = self.ledger(now);
        let state = &self.state;
        let grouped = state.groups.iter();
        let living = grouped.flat_map(|group| (group.first.0..group.end().0).map(JobSeq));
        let mut jobs: Vec<JobSeq> = living.collect();
        jobs.extend(state.ended.keys().copied());
        for restated in state.restate_jobs(jobs) {
            if let Transition::JobRestated(job) = restated {
                add_job(*job, &mut new);
            } else if let Transition::JobsRestated {
                first,
                queue,
                put_time,
                settings,
                sizes,
            } = restated
            {
                new.push(Transition::JobsAdded {
                    first,
                    queue,
                    put_time,
                    settings,
                    sizes,
                    contents: Vec::new(),
                });
            } else {
                new.push(restated);
            }
        }
        new.push(Transition::CountersRestated {
            next_job: state.next_job.plus(NUMBER_MARGIN),
            next_lease: LeaseNumber(state.next_lease.0 + NUMBER_MARGIN),
            next_queue: state.next_queue,
        });
        new
    }

    /// Everything that is not a job.
    fn ledger(&mut self, now: Time) -> Vec<Transition> {
        let mut ledger = Vec::new();
        let mut from = Some(0);
        while let Some(part) = from {
            let mut out = Output::default();
            let command = Command::RestateLedger {
                from: part,
                puts_before: u64::MAX,
            };
            self.apply(now, command, &mut out);
            ledger.append(&mut out.transitions);
            from = out.effects.iter().find_map(|effect| match effect {
                Effect::LedgerRestated { next, .. } => *next,
                Effect::Reply { .. }
                | Effect::Deliver { .. }
                | Effect::AskCancel { .. }
                | Effect::SessionExpired { .. } => None,
            });
        }
        ledger
    }
}

/// Adds the transitions that make a job what it is.
fn add_job(job: JobRestated, new: &mut Vec<Transition>) {
    let (end, retain_until) = match job.status {
        Status::Ended { end, retain_until } => (Some(end), retain_until),
        Status::Scheduled { .. } | Status::Ready | Status::Leased { .. } => (None, None),
    };
    let is_result = end == Some(End::Completed);
    let put_size = if is_result { 0 } else { job.size };
    let ready_time = match job.status {
        Status::Scheduled { ready_time } => Some(ready_time),
        Status::Ready | Status::Leased { .. } | Status::Ended { .. } => None,
    };
    let is_outcome = job.outcome.is_some();
    let put_ready_time = job.settings.ready_time.filter(|_| !is_outcome);
    match job.outcome {
        Some(outcome) => new.push(Transition::OutcomeAdded {
            job: job.job,
            queue: job.queue,
            put_time: job.put_time,
            settings: job.settings,
            outcome,
            size: put_size,
            content: Default::default(),
        }),
        None => new.push(Transition::JobsAdded {
            first: job.job,
            queue: job.queue,
            put_time: job.put_time,
            settings: job.settings,
            sizes: Sizes::Uniform {
                count: 1,
                size: put_size,
            },
            contents: Vec::new(),
        }),
    }
    if job.attempts > 0 || !job.error.is_empty() || ready_time != put_ready_time {
        new.push(Transition::JobRequeued {
            job: job.job,
            lease: None,
            how: Requeue::TakenBack,
            attempts: job.attempts,
            ready_time,
            error: job.error.clone(),
        });
    }
    if let Some(end) = end {
        new.push(Transition::JobEnded {
            job: job.job,
            lease: None,
            verdict: None,
            end,
            error: job.error,
            retain_until,
            result_size: if is_result { job.size } else { 0 },
            result: Default::default(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EngineConfig;
    use crate::testing::{Desk, complete, job, lease_of, name, reject, secs};
    use crate::transition::JobState;

    /// What can be told of a journal without the transitions that `missing` names.
    fn salvaged(desk: &Desk, missing: impl Fn(usize, &Transition) -> bool) -> Engine {
        let mut read = Engine::new(EngineConfig::default());
        for (n, transition) in desk.journal.iter().enumerate() {
            if !missing(n, transition) {
                read.restore_what_fits(transition);
            }
        }
        read.end_leases(desk.now);
        read.check_invariants().unwrap();
        let mut new = Engine::new(EngineConfig::default());
        for transition in read.salvaged(desk.now) {
            new.restore(&transition, false).unwrap();
        }
        new.check_invariants().unwrap();
        new
    }

    /// Jobs in every state.
    fn desk() -> (Desk, Vec<JobSeq>) {
        let mut desk = Desk::new();
        let mut jobs = vec![job("a"); 6];
        jobs[0].result_retention = Some(secs(600));
        jobs[1].reply_to = Some(name("replies"));
        jobs[4].ready_time = Some(desk.now.after(secs(60)));
        jobs[5].ready_time = Some(desk.now.after(secs(1)));
        let ids = desk.put("q", jobs);
        let grants = desk.get("q", 3);
        desk.settle(lease_of(&grants[0]), complete()).unwrap();
        desk.settle(lease_of(&grants[1]), reject()).unwrap();
        desk.pass(secs(2));
        (desk, ids.iter().map(|id| id.seq()).collect())
    }

    #[test]
    fn nothing_missing_leaves_everything_but_leases_as_it_was() {
        let (desk, jobs) = desk();
        let new = salvaged(&desk, |_, _| false);
        let state = |job: &JobSeq| new.state.known(*job).map(|known| known.state());
        let states: Vec<_> = jobs.iter().map(state).collect();
        let expected = [
            JobState::Completed,
            JobState::Dead,
            JobState::Ready,
            JobState::Ready,
            JobState::Scheduled,
            JobState::Ready,
        ];
        assert_eq!(states, expected.map(Some));
        assert_eq!(
            new.state.known(jobs[2]).unwrap().attempts(),
            0,
            "taken back"
        );
        assert!(new.state.queues.named(&name("replies")).is_some());
        assert!(new.state.next_lease.0 > desk.engine.state.next_lease.0);
    }

    #[test]
    fn whatever_one_transition_is_missing_the_others_hold() {
        let (desk, _) = desk();
        for gone in 0..desk.journal.len() {
            salvaged(&desk, |n, _| n == gone);
            salvaged(&desk, |n, _| (gone..gone + 3).contains(&n));
        }
    }

    #[test]
    fn a_job_is_done_although_its_grant_is_missing() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        let grants = desk.get("q", 1);
        desk.settle(lease_of(&grants[0]), complete()).unwrap();
        let new = salvaged(&desk, |_, it| {
            matches!(it, Transition::LeasesGranted { .. })
        });
        assert!(new.state.known(ids[0].seq()).is_none());
        assert!(new.state.known(ids[1].seq()).is_some());
        let new = salvaged(&desk, |_, it| {
            matches!(it, Transition::JobsCompleted { .. })
        });
        assert!(
            new.state.known(ids[0].seq()).is_some(),
            "its end is missing"
        );
        let new = salvaged(&desk, |_, it| matches!(it, Transition::QueueSet { .. }));
        let unnamed = name("unnamed-queue-1");
        assert!(new.state.queues.named(&unnamed).is_some() || new.state.queues.len() == 1);
    }
}
