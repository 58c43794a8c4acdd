//! Which verdict settled which lease, for the last so many leases: a verdict that
//! is sent twice, because the answer to the first was lost, is OK. One byte each.

use crate::id::LeaseNumber;
use crate::transition::VerdictKind;

/// A ring by lease number. I9: it holds at most `max` leases, all granted.
#[derive(Clone, Debug)]
pub(crate) struct Verdicts {
    max: u64,
    /// Grows up to `max`, then is written over.
    ring: Vec<u8>,
    /// The lease that is granted next; those before it, `max` of them, are here.
    next: u64,
}

const NONE: u8 = 0;

impl Verdicts {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: u64::try_from(max).unwrap_or(u64::MAX).max(1),
            ring: Vec::new(),
            next: 1,
        }
    }

    /// Leases up to, not including, `next` have been granted now.
    pub(crate) fn granted_up_to(&mut self, next: LeaseNumber) {
        // Those further back than the ring is long would be written over at once.
        let from = self.next.max(next.0.saturating_sub(self.max));
        for lease in from..next.0 {
            self.write(lease, NONE);
        }
        self.next = self.next.max(next.0);
    }

    pub(crate) fn remember(&mut self, lease: LeaseNumber, kind: VerdictKind) {
        if self.covers(lease) {
            self.write(lease.0, code(kind));
        }
    }

    pub(crate) fn recall(&self, lease: LeaseNumber) -> Option<VerdictKind> {
        if !self.covers(lease) {
            return None;
        }
        let at = usize::try_from(lease.0 % self.max).ok()?;
        match self.ring.get(at)? {
            1 => Some(VerdictKind::Complete),
            2 => Some(VerdictKind::Fail),
            3 => Some(VerdictKind::Reject),
            4 => Some(VerdictKind::Release),
            _ => None,
        }
    }

    fn covers(&self, lease: LeaseNumber) -> bool {
        lease.0 < self.next && lease.0 >= self.next.saturating_sub(self.max)
    }

    fn write(&mut self, lease: u64, code: u8) {
        let Ok(at) = usize::try_from(lease % self.max) else {
            return;
        };
        if self.ring.len() <= at {
            self.ring.resize(at + 1, NONE);
        }
        if let Some(slot) = self.ring.get_mut(at) {
            *slot = code;
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

fn code(kind: VerdictKind) -> u8 {
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

    #[test]
    fn the_last_leases_are_remembered_and_no_others() {
        let mut verdicts = Verdicts::new(3);
        verdicts.granted_up_to(LeaseNumber(3));
        verdicts.remember(LeaseNumber(1), VerdictKind::Fail);
        verdicts.remember(LeaseNumber(2), VerdictKind::Reject);
        verdicts.remember(LeaseNumber(9), VerdictKind::Reject); // never granted
        assert_eq!(verdicts.recall(LeaseNumber(9)), None);
        assert_eq!(verdicts.recall(LeaseNumber(1)), Some(VerdictKind::Fail));
        verdicts.granted_up_to(LeaseNumber(5));
        assert_eq!(verdicts.recall(LeaseNumber(1)), None);
        assert_eq!(verdicts.recall(LeaseNumber(2)), Some(VerdictKind::Reject));
        assert_eq!(verdicts.recall(LeaseNumber(4)), None, "not settled yet");
        // A jump far ahead, as after a restart, leaves nothing of the old round.
        verdicts.granted_up_to(LeaseNumber(1000));
        for lease in 0..1001 {
            assert_eq!(verdicts.recall(LeaseNumber(lease)), None);
        }
        assert_eq!(verdicts.bounds(), (LeaseNumber(1000), 3));
    }
}
