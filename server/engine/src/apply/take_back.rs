//! TakeBack: leases whose delivery never reached the caller.

use rustc_hash::FxHashSet;

use crate::ending::Attempt;
use crate::id::LeaseRef;
use crate::transition::Requeue;
use crate::turn::Turn;

impl Turn<'_> {
    /// The jobs are ready again in their old place, and the attempts do not count.
    pub(super) fn take_back(&mut self, leases: Vec<LeaseRef>) {
        let attempt = || Attempt {
            how: Requeue::TakenBack,
            error: Box::default(),
            ready_time: None,
        };
        let mut back = Vec::with_capacity(leases.len());
        let mut named = FxHashSet::default();
        for lease in leases {
            let Some((job, current)) = self.state.leased(lease) else {
                continue;
            };
            let current = *current;
            if job.cancel().is_some() {
                self.end_attempt(lease.job, current, attempt());
            } else if let Some(known) = self.state.known(lease.job)
                && named.insert(lease.job)
            {
                back.push((lease.job, current, known.size, known.queue));
            }
        }
        self.requeue_all(back, attempt(), false);
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::testing::{Desk, complete, job, lease_of};

    #[test]
    fn what_never_arrived_does_not_count() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        let grants = desk.get("q", 1);
        let leases = vec![lease_of(&grants[0]), lease_of(&grants[0])];
        desk.apply(Command::TakeBack { leases });
        assert!(desk.settle(lease_of(&grants[0]), complete()).is_err());
        let again = desk.get("q", 1);
        assert_eq!((again[0].id, again[0].attempt), (ids[0], 1));
        assert!(again[0].lease > grants[0].lease);
    }
}
