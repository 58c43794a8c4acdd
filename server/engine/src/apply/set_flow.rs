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

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::SessionId;
    use crate::testing::{Desk, complete, flow, job, lease_of};

    #[test]
    fn a_lower_limit_takes_nothing_away() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"); 4]);
        desk.open_with(1, "q", 2);
        let held = desk.delivered(1);
        desk.apply(Command::SetFlow {
            session: SessionId(1),
            flow: flow(1),
        });
        desk.settle(lease_of(&held[0]), complete()).unwrap();
        assert_eq!(desk.delivered(1), []);
        desk.settle(lease_of(&held[1]), complete()).unwrap();
        assert_eq!(desk.delivered(1).len(), 1);
    }
}
