//! Settle: ends leases with a verdict each.

use std::time::Duration;

use crate::command::{Settle, Settlement, Verdict};
use crate::effect::Reply;
use crate::ending::{Attempt, Ending, is_forgotten};
use crate::id::{JobSeq, LeaseRef, Scope};
use crate::rejection::Rejection;
use crate::settings::RetryPolicy;
use crate::space::Space;
use crate::state::job::Lease;
use crate::transition::{End, Requeue, VerdictKind};
use crate::turn::Turn;

/// Jobs from `first` up to `end` of which nothing is kept when they are completed.
struct Alike {
    first: JobSeq,
    end: JobSeq,
}

impl Alike {
    const NONE: Self = Self {
        first: JobSeq(0),
        end: JobSeq(0),
    };
}

impl Turn<'_> {
    /// Each verdict by itself: one lost lease does not stop the others.
    pub(super) fn settle(&mut self, settle: Settle) {
        if let Some(session) = settle.session {
            self.renew(session);
        }
        let mut results = Vec::with_capacity(settle.settlements.len());
        let mut alike = Alike::NONE;
        let has_room = self.live.space == Space::Enough;
        for (settlement, salt) in settle.settlements.into_iter().zip(0..) {
            let result = settlement.and_then(|settlement| {
                if has_room && self.complete_alike(&alike, &settlement) {
                    return Ok(());
                }
                alike = self.alike(&settle.scope, settlement.lease.job);
                let random = mix(settle.random, salt);
                self.settle_one(&settle.scope, settlement, random)
            });
            results.push(result);
        }
        self.reply(settle.ticket, Ok(Reply::Settled(results)));
    }

    /// The neighbours of a job that can be completed without another look at what
    /// they were told and who may touch them.
    fn alike(&self, scope: &Scope, job: JobSeq) -> Alike {
        match self.state.groups.get(job) {
            Some(group)
                if is_forgotten(&group.settings) && self.permit(scope, group.queue).is_ok() =>
            {
                Alike {
                    first: group.first,
                    end: group.end(),
                }
            }
            _ => Alike::NONE,
        }
    }

    /// Most verdicts are completions of jobs that were put together. False: this
    /// one has to be looked at.
    fn complete_alike(&mut self, alike: &Alike, settlement: &Settlement) -> bool {
        let job = settlement.lease.job;
        matches!(settlement.verdict, Verdict::Complete { .. })
            && (alike.first <= job && job < alike.end)
            && !self.live.waits.any_for_job(job)
            && self.complete(settlement.lease)
    }

    fn settle_one(
        &mut self,
        scope: &Scope,
        settlement: Settlement,
        random: u64,
    ) -> Result<(), Rejection> {
        let lease = settlement.lease;
        if let Some(queue) = self.state.queue_of(lease.job) {
            self.permit(scope, queue)?;
        }
        let Some((_, current)) = self.state.leased(lease) else {
            return self.settled_before(lease, settlement.verdict.kind());
        };
        let current = *current;
        self.room_for_verdict(&settlement, &current)?;
        match settlement.verdict {
            Verdict::Complete { result } => self.complete_with(lease, result),
            Verdict::Fail { error, retry_delay } => {
                let delay = retry_delay.unwrap_or_else(|| self.retry_delay(lease, random));
                self.give_back(lease, current, Requeue::Failed, error, delay);
            }
            Verdict::Reject { error } => self.reject(lease, error),
            Verdict::Release { delay } => {
                self.give_back(lease, current, Requeue::Released, Box::default(), delay);
            }
        }
        Ok(())
    }

    fn give_back(
        &mut self,
        lease: LeaseRef,
        current: Lease,
        how: Requeue,
        error: Box<str>,
        delay: Duration,
    ) {
        let ready_time = (!delay.is_zero()).then(|| self.now.after(delay));
        let attempt = Attempt {
            how,
            error,
            ready_time,
        };
        self.end_attempt(lease.job, current, attempt);
    }

    /// Dead now, unless cancellation was asked: then that is what it ends as.
    fn reject(&mut self, lease: LeaseRef, error: Box<str>) {
        let job = self.state.jobs.get(lease.job);
        let verdict = Some(VerdictKind::Reject);
        let ending = match job.and_then(|job| job.cancel()) {
            Some(reason) => Ending::new(End::Cancelled, verdict, reason.into()),
            None => Ending::new(End::Dead, verdict, error),
        };
        self.end_job(lease.job, ending);
    }

    /// How long the job waits for its next attempt.
    fn retry_delay(&self, lease: LeaseRef, random: u64) -> Duration {
        let known = self.state.known(lease.job);
        known.map_or(Duration::ZERO, |known| {
            backoff(&known.settings.retry, known.attempts(), random)
        })
    }

    /// The lease has ended: by the same verdict, which is fine, or otherwise.
    fn settled_before(&self, lease: LeaseRef, kind: VerdictKind) -> Result<(), Rejection> {
        match self.state.verdicts.recall(lease) {
            Some(first) if first == kind => Ok(()),
            Some(first) => Err(Rejection::AlreadySettled { verdict: first }),
            None => Err(self.lease_lost(lease)),
        }
    }

    pub(super) fn lease_lost(&self, lease: LeaseRef) -> Rejection {
        let state = self.state.known(lease.job).map(|known| known.state());
        Rejection::LeaseLost { state }
    }
}

impl Verdict {
    fn kind(&self) -> VerdictKind {
        match self {
            Self::Complete { .. } => VerdictKind::Complete,
            Self::Fail { .. } => VerdictKind::Fail,
            Self::Reject { .. } => VerdictKind::Reject,
            Self::Release { .. } => VerdictKind::Release,
        }
    }
}

/// The wait after the `attempt`-th attempt: `initial * multiplier^(attempt - 1)`,
/// at most `delay_max`, less a random part.
fn backoff(policy: &RetryPolicy, attempt: u32, random: u64) -> Duration {
    let max = policy.delay_max.as_nanos();
    let mut delay = policy.initial_delay.as_nanos().min(max);
    for _ in 1..attempt {
        if delay == 0 || delay >= max || policy.multiplier_percent == 100 {
            break;
        }
        let next = delay.saturating_mul(u128::from(policy.multiplier_percent)) / 100;
        delay = next.min(max);
    }
    let jitter = delay * u128::from(policy.jitter_percent.min(100)) / 100;
    // In 2^32-ths: fine enough, and nothing overflows.
    let part = jitter.saturating_mul(u128::from(random >> 32)) >> 32;
    Duration::from_nanos(u64::try_from(delay - part).unwrap_or(u64::MAX))
}

/// One random number for each entry of a call (the finalizer of SplitMix64).
fn mix(random: u64, salt: u64) -> u64 {
    let mut mixed = random.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewJob};
    use crate::effect::{Effect, JobResult};
    use crate::id::JobId;
    use crate::settings::EngineConfig;
    use crate::testing::{Desk, complete, fail, job, lease_of, name, reject, release, secs};
    use crate::transition::{JobState, Outcome};

    /// A desk with one leased job.
    fn leased(new: NewJob) -> (Desk, JobId, LeaseRef) {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![new]);
        let lease = lease_of(&desk.get("q", 1)[0]);
        (desk, ids[0], lease)
    }

    #[test]
    fn each_verdict_leads_where_it_should() {
        let cases = [
            (complete(), None, 0),
            (fail(), Some(JobState::Ready), 1),
            (reject(), Some(JobState::Dead), 1),
            (release(), Some(JobState::Ready), 0),
            (
                Verdict::Release { delay: secs(5) },
                Some(JobState::Scheduled),
                0,
            ),
        ];
        for (verdict, state, attempts) in cases {
            let (mut desk, id, lease) = leased(job("a"));
            assert_eq!(desk.settle(lease, verdict.clone()), Ok(()));
            assert_eq!(desk.state(id), state, "{verdict:?}");
            if let Some(view) = desk.job(id) {
                assert_eq!(view.attempts, attempts, "{verdict:?}");
            }
        }
    }

    #[test]
    fn the_same_verdict_twice_is_ok_and_another_is_not() {
        let verdicts = [complete(), fail(), reject(), release()];
        for first in &verdicts {
            let (mut desk, _, lease) = leased(job("a"));
            desk.settle(lease, first.clone()).unwrap();
            for second in &verdicts {
                let expected = if first.kind() == second.kind() {
                    Ok(())
                } else {
                    let verdict = first.kind();
                    Err(Rejection::AlreadySettled { verdict })
                };
                assert_eq!(desk.settle(lease, second.clone()), expected);
            }
            desk.restart(secs(1));
            assert_eq!(desk.settle(lease, first.clone()), Ok(()));
        }
    }

    #[test]
    fn twice_in_one_call_is_once() {
        let (mut desk, _, lease) = leased(job("a"));
        let results = desk.settle_all(vec![
            (lease, complete()),
            (lease, complete()),
            (lease, fail()),
        ]);
        let other = Rejection::AlreadySettled {
            verdict: VerdictKind::Complete,
        };
        assert_eq!(results, [Ok(()), Ok(()), Err(other)]);
    }

    #[test]
    fn a_stale_lease_settles_nothing() {
        let (mut desk, id, stale) = leased(job("a"));
        desk.pass(secs(30));
        let lost = |state| Err(Rejection::LeaseLost { state });
        assert_eq!(desk.settle(stale, complete()), lost(Some(JobState::Ready)));
        let fresh = lease_of(&desk.get("q", 1)[0]);
        assert_eq!(desk.settle(stale, reject()), lost(Some(JobState::Leased)));
        assert_eq!(desk.state(id), Some(JobState::Leased));
        desk.settle(fresh, complete()).unwrap();
        assert_eq!(desk.settle(stale, complete()), lost(None));
    }

    #[test]
    fn late_but_not_expired_yet_still_counts() {
        let (mut desk, id, lease) = leased(job("a"));
        desk.now = desk.now.after(secs(1000)); // and no Tick has come
        assert_eq!(desk.settle(lease, complete()), Ok(()));
        assert_eq!(desk.state(id), None);
    }

    #[test]
    fn one_lost_lease_does_not_stop_the_others() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"), job("b"), job("c")]);
        let leases: Vec<_> = desk.get("q", 3).iter().map(lease_of).collect();
        desk.apply(Command::TakeBack {
            leases: vec![leases[1]],
        });
        let settled = desk.settle_all(leases.iter().map(|l| (*l, complete())).collect());
        let lost = Rejection::LeaseLost {
            state: Some(JobState::Ready),
        };
        assert_eq!(settled, [Ok(()), Err(lost), Ok(())]);
    }

    #[test]
    fn the_last_attempt_makes_it_dead() {
        let mut new = job("a");
        new.max_attempts = Some(2);
        let (mut desk, id, lease) = leased(new);
        desk.settle(lease, fail()).unwrap();
        let last = lease_of(&desk.get("q", 1)[0]);
        desk.settle(last, fail()).unwrap();
        assert_eq!(desk.state(id), Some(JobState::Dead));
        assert_eq!(&*desk.job(id).unwrap().error, "broke");
    }

    /// A job that takes its worker down in good order is released for ever: it must end.
    #[test]
    fn a_job_that_is_only_ever_released_is_dead_in_the_end() {
        let mut desk = Desk::with(EngineConfig {
            releases_max: 2,
            ..EngineConfig::default()
        });
        let mut new = job("a");
        new.max_attempts = Some(2);
        let id = desk.put("q", vec![new])[0];
        let give_back = |desk: &mut Desk, verdict| {
            let grant = desk.get("q", 1).remove(0);
            desk.settle(lease_of(&grant), verdict).unwrap();
            grant.attempt
        };
        assert_eq!(give_back(&mut desk, release()), 1);
        let failed = Verdict::Fail {
            error: "broke".into(),
            retry_delay: Some(Duration::ZERO),
        };
        assert_eq!(give_back(&mut desk, failed), 1);
        assert_eq!(desk.job(id).unwrap().releases, 0, "another verdict");
        assert_eq!(give_back(&mut desk, release()), 2);
        assert_eq!(give_back(&mut desk, release()), 2);
        desk.restart(secs(1));
        assert_eq!(desk.job(id).unwrap().releases, 2);
        let grant = desk.get("q", 1).remove(0);
        let taken_back = lease_of(&grant);
        desk.apply(Command::TakeBack {
            leases: vec![taken_back],
        });
        assert_eq!(desk.job(id).unwrap().releases, 2, "nobody had it");
        let last = lease_of(&desk.get("q", 1)[0]);
        desk.settle(last, release()).unwrap();
        desk.settle(last, release())
            .expect("the same verdict again");
        let dead = desk.job(id).unwrap();
        assert_eq!((dead.state, dead.attempts), (JobState::Dead, 2));
        assert_eq!(&*dead.error, "its workers released it 3 times in a row");
    }

    #[test]
    fn retries_back_off_up_to_the_cap_within_the_jitter() {
        let policy = RetryPolicy {
            initial_delay: secs(1),
            delay_max: secs(10),
            multiplier_percent: 200,
            jitter_percent: 20,
        };
        let cases = [
            (1, 1000),
            (2, 2000),
            (3, 4000),
            (4, 8000),
            (5, 10_000),
            (1000, 10_000),
        ];
        for (attempt, millis) in cases {
            let whole = Duration::from_millis(millis);
            assert_eq!(backoff(&policy, attempt, 0), whole);
            let least = backoff(&policy, attempt, u64::MAX);
            assert!(
                least >= whole * 4 / 5 && least < whole * 81 / 100,
                "{least:?}"
            );
        }
        assert_ne!(
            mix(7, 1),
            mix(7, 2),
            "entries of a call do not retry together"
        );
    }

    #[test]
    fn the_outcome_comes_in_the_same_commit() {
        let mut new = job("a");
        new.reply_to = Some(name("replies"));
        let (mut desk, id, lease) = leased(new);
        desk.settle(lease, complete()).unwrap();
        let [.., ended, added] = &desk.journal[..] else {
            panic!("nothing written");
        };
        assert!(matches!(
            ended,
            crate::transition::Transition::JobEnded { .. }
        ));
        let crate::transition::Transition::OutcomeAdded { content, size, .. } = added else {
            panic!("no outcome: {added:?}");
        };
        assert_eq!((&content.payload[..], *size), (&b"done"[..], 4));
        let grant = &desk.get("replies", 1)[0];
        let outcome = Outcome {
            job: id,
            queue: name("q"),
            end: End::Completed,
            error: "".into(),
            attempts: 1,
        };
        assert_eq!(grant.outcome.as_deref(), Some(&outcome));
    }

    #[test]
    fn a_reply_queue_that_was_deleted_comes_back() {
        let mut new = job("a");
        new.reply_to = Some(name("replies"));
        let (mut desk, _, lease) = leased(new);
        desk.ask(|ticket| Command::DeleteQueue {
            ticket,
            queue: name("replies"),
        })
        .unwrap();
        desk.settle(lease, reject()).unwrap();
        assert_eq!(desk.counts("replies").ready, 1);
    }

    #[test]
    fn what_is_kept_can_be_read_until_its_retention_is_over() {
        let mut new = job("a long payload");
        new.result_retention = Some(secs(60));
        let (mut desk, id, lease) = leased(new);
        desk.settle(lease, complete()).unwrap();
        let view = desk.job(id).unwrap();
        assert_eq!((view.state, view.size), (JobState::Completed, 4));
        desk.restart(secs(10));
        desk.pass(secs(49));
        assert_eq!(desk.state(id), Some(JobState::Completed));
        desk.pass(secs(1));
        assert_eq!(desk.state(id), None);
    }

    #[test]
    fn someone_who_waits_gets_the_result_though_nothing_is_kept() {
        let (mut desk, id, lease) = leased(job("a"));
        let ticket = desk.ticket();
        let until = Some(desk.now.after(secs(9)));
        desk.apply(Command::WaitJob {
            ticket,
            scope: Scope::All,
            job: id,
            until,
        });
        desk.settle(lease, complete()).unwrap();
        let Some(Ok(Reply::JobWaited { state, result, .. })) = desk.answer(ticket) else {
            panic!("not answered");
        };
        assert_eq!(state, JobState::Completed);
        assert_eq!(result, JobResult::Bytes("done".into()));
    }

    #[test]
    fn a_lease_out_of_scope_is_refused_even_if_its_job_is_dead() {
        let (mut desk, id, lease) = leased(job("a"));
        for state in [JobState::Leased, JobState::Dead] {
            let reply = desk.ask(|ticket| {
                Command::Settle(Settle {
                    ticket,
                    session: None,
                    scope: Scope::Patterns(["other".into()].into()),
                    settlements: vec![
                        Ok(Settlement {
                            lease,
                            verdict: reject(),
                        }),
                        Err(Rejection::TokenInvalid),
                    ],
                    random: 0,
                })
            });
            let refused = Rejection::QueueNotPermitted { queue: name("q") };
            let results = vec![Err(refused), Err(Rejection::TokenInvalid)];
            assert_eq!(reply, Ok(Reply::Settled(results)));
            assert_eq!(desk.state(id), Some(state));
            desk.settle(lease, reject()).unwrap();
        }
    }

    #[test]
    fn bulk_completions_are_one_transition() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"); 100]);
        let leases: Vec<_> = desk.get("q", 100).iter().map(lease_of).collect();
        let written = desk.journal.len();
        desk.settle_all(leases.into_iter().map(|l| (l, complete())).collect());
        assert_eq!(desk.journal.len(), written + 1);
        assert_eq!(desk.effects, [] as [Effect; 0]);
    }
}
