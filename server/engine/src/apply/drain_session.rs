//! DrainSession: nothing more is delivered, what is held may finish.

use crate::id::SessionId;
use crate::live::session::Standing;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn drain_session(&mut self, id: SessionId) {
        self.renew(id);
        if let Some(session) = self.live.sessions.get_mut(&id)
            && session.standing == Standing::Open
        {
            session.standing = Standing::Draining;
            self.live.leave_session(id, None);
        }
    }
}
