//! Settle: ends leases with a verdict each.

use std::time::Duration;

use crate::command::{Settle, Settlement, Verdict};
use crate::effect::Reply;
use crate::ending::{Attempt, Ending};
use crate::id::{LeaseRef, Scope};
use crate::rejection::Rejection;
use crate::settings::RetryPolicy;
use crate::state::job::Lease;
use crate::transition::{End, Requeue, VerdictKind};
use crate::turn::Turn;

impl Turn<'_> {
    /// Each verdict by itself: one lost lease does not stop the others.
    pub(super) fn settle(&mut self, settle: Settle) {
        if let Some(session) = settle.session {
            self.renew(session);
        }
        let mut results = Vec::with_capacity(settle.settlements.len());
        for (settlement, salt) in settle.settlements.into_iter().zip(0..) {
            let result = settlement.and_then(|settlement| {
                let random = mix(settle.random, salt);
                self.settle_one(&settle.scope, settlement, random)
            });
            results.push(result);
        }
        self.reply(settle.ticket, Ok(Reply::Settled(results)));
    }

    fn settle_one(
        &mut self,
        scope: &Scope,
        settlement: Settlement,
        random: u64,
    ) -> Result<(), Rejection> {
        let Settlement { lease, verdict } = settlement;
        if let Some(group) = self.state.groups.get(lease.job) {
            self.permit(scope, group.queue)?;
        }
        let Some((_, current)) = self.state.leased(lease) else {
            return self.settled_before(lease, verdict.kind());
        };
        let current = *current;
        match verdict {
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
        let job = self.state.jobs.get(&lease.job);
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
            backoff(&known.group.settings.retry, known.attempts(), random)
        })
    }

    /// The lease has ended: by the same verdict, which is fine, or otherwise.
    fn settled_before(&self, lease: LeaseRef, kind: VerdictKind) -> Result<(), Rejection> {
        match self.state.verdicts.recall(lease.lease) {
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
