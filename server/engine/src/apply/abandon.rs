//! Abandon: the caller of something that waits went away.

use crate::id::Ticket;
use crate::turn::Turn;

impl Turn<'_> {
    /// It gets no answer and, in particular, no job. If it was answered already,
    /// the driver takes the leases back.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        self.stop_waiting(ticket);
    }
}
