//! ClockMoved: the clock jumped ahead. Whoever holds something gets the time that
//! it could not use.

use std::time::Duration;

use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    /// Leases and sessions last that much longer. Scheduled jobs, retention and
    /// callers that wait go by the clock on the wall.
    pub(super) fn clock_moved(&mut self, by: Duration) {
        self.emit(Transition::ClockMoved { by });
        let mut sessions: Vec<_> = self.live.sessions.keys().copied().collect();
        sessions.sort_unstable();
        for id in sessions {
            if let Some(session) = self.live.sessions.get(&id) {
                let at = session.expire_time.after(by);
                self.live.expire_session_at(id, at);
            }
        }
    }
}
