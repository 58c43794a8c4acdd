//! CloseSession: the stream is gone; its leases stay for the grace.

use crate::id::SessionId;
use crate::live::session::Standing;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.live.sessions.get(&id) else {
            return;
        };
        if session.is_open() {
            let until = self.now.after(session.grace);
            self.leave_behind(id, until);
        }
        if self
            .live
            .sessions
            .get(&id)
            .is_some_and(|s| s.expire_time <= self.now)
        {
            self.expire_session(id);
        }
    }

    /// The session is over; what it holds stands until `until`, in case its worker
    /// comes back.
    pub(super) fn leave_behind(&mut self, id: SessionId, until: crate::time::Time) {
        self.live.leave_session(id, None);
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return;
        };
        session.standing = Standing::Gone;
        if session.held.is_empty() {
            self.live.forget_session(id);
        } else {
            self.live.expire_session_at(id, until);
        }
    }
}
