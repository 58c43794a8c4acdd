//! SetFlow: new absolute limits of a session.

use crate::command::Flow;
use crate::id::SessionId;
use crate::turn::Turn;

impl Turn<'_> {
    /// Lower than what it holds: nothing is taken away, and nothing more comes.
    pub(super) fn set_flow(&mut self, id: SessionId, flow: Flow) {
        self.renew(id);
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return;
        };
        session.flow = flow;
        // Also to be looked at again in lines where the next job was too large.
        if session.can_take_more() {
            self.freed(id);
        } else {
            self.live.leave_session(id, None);
        }
    }
}
