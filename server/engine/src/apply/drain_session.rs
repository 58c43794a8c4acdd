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

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::SessionId;
    use crate::testing::{Desk, complete, job, lease_of};

    #[test]
    fn what_is_held_may_finish_and_nothing_more_comes() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"), job("b")]);
        desk.open_with(1, "q", 1);
        let held = lease_of(&desk.delivered(1)[0]);
        let session = SessionId(1);
        desk.apply(Command::DrainSession { session });
        assert_eq!(desk.settle(held, complete()), Ok(()));
        assert_eq!(desk.delivered(1), []);
    }
}
