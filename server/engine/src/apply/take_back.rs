//! TakeBack: leases whose delivery never reached the caller.

use crate::ending::Attempt;
use crate::id::LeaseRef;
use crate::transition::Requeue;
use crate::turn::Turn;

impl Turn<'_> {
    /// The jobs are ready again in their old place, and the attempts do not count.
    pub(super) fn take_back(&mut self, leases: Vec<LeaseRef>) {
        for lease in leases {
            let Some((_, current)) = self.state.leased(lease) else {
                continue;
            };
            let attempt = Attempt {
                how: Requeue::TakenBack,
                error: Box::default(),
                ready_time: None,
            };
            self.end_attempt(lease.job, *current, attempt);
        }
    }
}
