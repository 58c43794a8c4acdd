//! Which verdict settled which of the last leases (`limits.verdicts` of them), so that a
//! verdict that is sent twice, because the first answer was lost, is OK. Four bytes each.

use crate::id::{LeaseNumber, LeaseRef, NumberFloor};
use crate::transition::VerdictKind;

/// A ring by lease number. I9: it holds at most `max` leases, all granted.
///
/// A restart skips numbers (`NumberFloor`), by a multiple of `max`: so each lease
/// takes the place of the one granted `max` grants before it, as without the gap.
#[derive(Clone, Debug)]
pub(crate) struct Verdicts {
    max: u64,
    /// Grows up to `max`, then is written over.
    ring: Vec<Entry>,
    /// The lease that is granted next.
    next: u64,
}

/// The kind of the verdict in the low bits; above them a hash of lease and job, as the
/// place in the ring says only part of the lease and nothing of the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry(u32);

impl Entry {
    const NONE: Self = Self(0);
    const KIND_BITS: u32 = 3;
    const KIND_MASK: u32 = (1 << Self::KIND_BITS) - 1;

    fn new(lease: LeaseRef, kind: VerdictKind) -> Self {
        Self(Self::tag(lease) | code(kind))
    }

    fn kind_for(self, lease: LeaseRef) -> Option<VerdictKind> {
        if self.0 & !Self::KIND_MASK != Self::tag(lease) {
            return None;
        }
        match self.0 & Self::KIND_MASK {
            1 => Some(VerdictKind::Complete),
            2 => Some(VerdictKind::Fail),
            3 => Some(VerdictKind::Reject),
            4 => Some(VerdictKind::Release),
            _ => None,
        }
    }

    /// The best bits of a product are the high ones (Fibonacci hashing).
    fn tag(lease: LeaseRef) -> u32 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = lease.job.0.wrapping_mul(GOLDEN) ^ lease.lease.0;
        let high = (mixed.wrapping_mul(GOLDEN) >> 32) & u64::from(u32::MAX);
        u32::try_from(high).unwrap_or(0) & !Self::KIND_MASK
    }
}

impl Verdicts {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: u64::try_from(max).unwrap_or(u64::MAX).max(1),
            ring: Vec::new(),
            next: 1,
        }
    }

    /// Leases up to, not including, `next` have been granted or skipped now.
    pub(crate) fn granted_up_to(&mut self, next: LeaseNumber) {
        // Numbers that were skipped were not granted: what is remembered stays.
        if next.0.saturating_sub(self.next) < NumberFloor::LEAD {
            // Those further back than the ring is long would be written over at once.
            let from = self.next.max(next.0.saturating_sub(self.max));
            for lease in from..next.0 {
                self.write(lease, Entry::NONE);
            }
        }
        self.next = self.next.max(next.0);
    }

    /// An older lease must not take the place of one granted later.
    pub(crate) fn remember(&mut self, lease: LeaseRef, kind: VerdictKind) {
        let is_free = self.entry(lease).is_none_or(|entry| entry == Entry::NONE);
        if lease.lease.0 < self.next && is_free {
            self.write(lease.lease.0, Entry::new(lease, kind));
        }
    }

    /// The verdict on this lease of this job.
    pub(crate) fn recall(&self, lease: LeaseRef) -> Option<VerdictKind> {
        self.entry(lease)?.kind_for(lease)
    }

    fn entry(&self, lease: LeaseRef) -> Option<Entry> {
        let at = usize::try_from(lease.lease.0 % self.max).ok()?;
        self.ring.get(at).copied()
    }

    fn write(&mut self, lease: u64, entry: Entry) {
        let Ok(at) = usize::try_from(lease % self.max) else {
            return;
        };
        if self.ring.len() <= at {
            self.ring.resize(at + 1, Entry::NONE);
        }
        if let Some(slot) = self.ring.get_mut(at) {
            *slot = entry;
        }
    }

    /// For the scan: the lease that is next, and how much is remembered.
    pub(crate) fn bounds(&self) -> (LeaseNumber, u64) {
        (
            LeaseNumber(self.next),
            u64::try_from(self.ring.len()).unwrap_or(u64::MAX),
        )
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

fn code(kind: VerdictKind) -> u32 {
    match kind {
        VerdictKind::Complete => 1,
        VerdictKind::Fail => 2,
        VerdictKind::Reject => 3,
        VerdictKind::Release => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobSeq;

    /// A lease of job 5.
    fn lease(number: u64) -> LeaseRef {
        LeaseRef {
            job: JobSeq(5),
            lease: LeaseNumber(number),
        }
    }

    #[test]
    fn the_last_leases_are_remembered_and_no_others() {
        let mut verdicts = Verdicts::new(3);
        verdicts.granted_up_to(LeaseNumber(3));
        verdicts.remember(lease(1), VerdictKind::Fail);
        verdicts.remember(lease(2), VerdictKind::Reject);
        verdicts.remember(lease(9), VerdictKind::Reject); // never granted
        assert_eq!(verdicts.recall(lease(9)), None);
        assert_eq!(verdicts.recall(lease(1)), Some(VerdictKind::Fail));
        verdicts.granted_up_to(LeaseNumber(5));
        assert_eq!(verdicts.recall(lease(1)), None);
        assert_eq!(verdicts.recall(lease(2)), Some(VerdictKind::Reject));
        assert_eq!(verdicts.recall(lease(4)), None, "not settled yet");
        // After many more grants nothing of the old round is left.
        verdicts.granted_up_to(LeaseNumber(1000));
        for number in 0..1001 {
            assert_eq!(verdicts.recall(lease(number)), None);
        }
        assert_eq!(verdicts.bounds(), (LeaseNumber(1000), 3));
    }

    #[test]
    fn a_verdict_on_another_job_is_not_recalled() {
        let mut verdicts = Verdicts::new(3);
        verdicts.granted_up_to(LeaseNumber(3));
        verdicts.remember(lease(1), VerdictKind::Complete);
        for job in (0..10_000).map(JobSeq).filter(|job| *job != JobSeq(5)) {
            let other = LeaseRef { job, ..lease(1) };
            assert_eq!(verdicts.recall(other), None, "{job:?}");
        }
    }

    #[test]
    fn numbers_that_a_restart_skips_forget_nothing() {
        let mut verdicts = Verdicts::new(3);
        verdicts.granted_up_to(LeaseNumber(4));
        verdicts.remember(lease(2), VerdictKind::Fail);
        verdicts.remember(lease(3), VerdictKind::Release);
        let next = NumberFloor::LEAD * 3 + 4;
        verdicts.granted_up_to(LeaseNumber(next));
        assert_eq!(verdicts.recall(lease(2)), Some(VerdictKind::Fail));
        assert_eq!(verdicts.recall(lease(next - 3 + 1)), None, "skipped");
        // The third grant from then on takes the place of the third before it.
        verdicts.granted_up_to(LeaseNumber(next + 2));
        assert_eq!(verdicts.recall(lease(2)), None);
        assert_eq!(verdicts.recall(lease(3)), Some(VerdictKind::Release));
        assert_eq!(verdicts.bounds(), (LeaseNumber(next + 2), 3));
    }
}
