//! CloseSession: the stream is gone; its leases stay for the grace.

use crate::id::SessionId;
use crate::live::session::Standing;
use crate::time::LeaseTime;
use crate::turn::Turn;

use super::due_max;

impl Turn<'_> {
    pub(super) fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.live.sessions.get(&id) else {
            return;
        };
        if session.is_open() {
            let until = self.lease_now().after(session.grace);
            self.leave_behind(id, until);
        }
        if self
            .live
            .sessions
            .get(&id)
            .is_some_and(|s| s.expire_time <= self.lease_now())
            && !self.is_held_back()
        {
            self.expire_session(id, due_max(self.config));
        }
    }

    /// The session is over; what it holds stands until `until`, in case its worker
    /// comes back.
    pub(super) fn leave_behind(&mut self, id: SessionId, until: LeaseTime) {
        self.live.leave_session(id, None);
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return;
        };
        if session.is_open() {
            self.live.sessions_open -= 1;
        }
        session.standing = Standing::Gone;
        if session.held.is_empty() {
            self.live.forget_session(id);
        } else {
            self.live.expire_session_at(id, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::SessionId;
    use crate::testing::{Desk, complete, job, lease_of, secs};
    use crate::transition::JobState;

    #[test]
    fn the_leases_outlive_the_stream_for_the_grace() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        desk.open_with(1, "q", 1);
        let held = lease_of(&desk.delivered(1)[0]);
        let session = SessionId(1);
        desk.apply(Command::CloseSession { session });
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        // Also without a session a worker can still finish.
        desk.put("q", vec![job("b")]);
        assert_eq!(desk.settle(held, complete()), Ok(()));
        assert_eq!(
            desk.counts("q").ready,
            1,
            "nothing goes to a closed session"
        );
    }

    #[test]
    fn the_jobs_are_ready_again_after_the_grace_or_at_once_without() {
        for grace in [0, 5] {
            let mut desk = Desk::new();
            let ids = desk.put("q", vec![job("a")]);
            let mut open = desk.open_command(1, &["q"]);
            open.grace = secs(grace);
            desk.open(open).unwrap();
            let session = SessionId(1);
            desk.apply(Command::CloseSession { session });
            desk.pass(secs(grace));
            assert_eq!(desk.state(ids[0]), Some(JobState::Ready), "grace {grace}");
        }
    }
}
