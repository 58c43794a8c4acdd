//! Stalled: the server did not run for a while. That time does not count for leases,
//! sessions and waiting calls.

use std::time::Duration;

use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    /// Delays, retention and request ids count the stall: it was real time.
    pub(super) fn stalled(&mut self, by: Duration) {
        self.emit(Transition::Stalled { by });
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::testing::{Desk, job, secs};
    use crate::transition::JobState;

    #[test]
    fn a_stall_does_not_count_for_leases_and_sessions() {
        let mut desk = Desk::new();
        let by_get = desk.put("q", vec![job("a")]);
        desk.get("q", 1);
        desk.open_with(1, "q", 1);
        let by_session = desk.put("q", vec![job("b")]);
        desk.now = desk.now.after(secs(1000));
        desk.apply(Command::Stalled { by: secs(1000) });
        desk.pass(secs(29));
        assert_eq!(desk.state(by_get[0]), Some(JobState::Leased));
        assert_eq!(desk.state(by_session[0]), Some(JobState::Leased));
        desk.pass(secs(1));
        assert_eq!(desk.state(by_get[0]), Some(JobState::Ready));
        assert_eq!(desk.state(by_session[0]), Some(JobState::Ready));
    }

    #[test]
    fn a_stall_does_not_count_for_calls_that_wait() {
        let mut desk = Desk::new();
        let waiting = desk.wait_get("q", 1);
        desk.now = desk.now.after(secs(1000));
        desk.apply(Command::Stalled { by: secs(1000) });
        desk.pass(secs(59));
        assert_eq!(desk.answer(waiting), None);
        desk.pass(secs(1));
        assert!(desk.answer(waiting).is_some());
    }

    #[test]
    fn a_stall_counts_for_delays() {
        let mut desk = Desk::new();
        let mut delayed = job("a");
        delayed.ready_time = Some(desk.now.after(secs(1000)));
        let ids = desk.put("q", vec![delayed]);
        desk.now = desk.now.after(secs(1000));
        desk.apply(Command::Stalled { by: secs(1000) });
        desk.pass(secs(0));
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
    }

    #[test]
    fn a_stall_holds_over_a_restart() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        desk.get("q", 1);
        desk.now = desk.now.after(secs(1000));
        desk.apply(Command::Stalled { by: secs(1000) });
        desk.restart(secs(5));
        desk.pass(secs(29));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        desk.pass(secs(1));
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
    }
}
