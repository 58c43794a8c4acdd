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

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::testing::{Desk, job, secs};
    use crate::transition::JobState;

    #[test]
    fn time_that_nobody_could_use_does_not_count() {
        let mut desk = Desk::new();
        let by_get = desk.put("q", vec![job("a")]);
        desk.get("q", 1);
        desk.open_with(1, "q", 1);
        let by_session = desk.put("q", vec![job("b")]);
        desk.now = desk.now.after(secs(1000));
        desk.apply(Command::ClockMoved { by: secs(1000) });
        desk.pass(secs(29));
        assert_eq!(desk.state(by_get[0]), Some(JobState::Leased));
        assert_eq!(desk.state(by_session[0]), Some(JobState::Leased));
        desk.pass(secs(1));
        assert_eq!(desk.state(by_get[0]), Some(JobState::Ready));
        assert_eq!(desk.state(by_session[0]), Some(JobState::Ready));
    }
}
