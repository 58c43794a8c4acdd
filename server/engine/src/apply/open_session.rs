//! OpenSession: a worker comes, or comes back and names what it holds.

use rustc_hash::FxHashSet;

use crate::command::OpenSession;
use crate::effect::Reply;
use crate::id::{LeaseRef, Scope, SessionId};
use crate::live::session::{Session, Spot, Standing};
use crate::rejection::Rejection;
use crate::state::evolve::is_session;
use crate::time::Time;
use crate::turn::Turn;

use super::limit_reached;

impl Turn<'_> {
    pub(super) fn open_session(&mut self, open: OpenSession) {
        let id = open.session;
        if let Err(rejection) = self.may_open(id) {
            return self.reply(open.ticket, Err(rejection));
        }
        let spot = |queue| Spot { queue, place: None };
        let session = Session {
            standing: Standing::Open,
            queues: open.queues.into_iter().map(spot).collect(),
            worker: open.worker,
            flow: open.flow,
            lease_duration: open.lease_duration,
            grace: open.grace,
            held: FxHashSet::default(),
            bytes: 0,
            expire_time: Time::default(),
            deadline: None,
            turn: 0,
        };
        self.live.sessions.insert(id, session);
        self.renew(id);
        let mut lost = Vec::new();
        for lease in open.held {
            if !self.adopt(id, &open.scope, lease) {
                lost.push(lease);
            }
        }
        self.reply(open.ticket, Ok(Reply::Opened { lost }));
        self.freed(id);
    }

    fn may_open(&self, id: SessionId) -> Result<(), Rejection> {
        if self.live.draining {
            return Err(Rejection::Draining);
        }
        if self.live.sessions.contains_key(&id) {
            return Err(Rejection::SessionNotFound);
        }
        let open = self.live.sessions.values().filter(|s| s.is_open()).count();
        if open >= self.config.sessions_max {
            return Err(limit_reached("sessions_max", self.config.sessions_max));
        }
        Ok(())
    }

    /// Binds a standing lease to the session, whoever held it before. The token
    /// is the proof that it is this worker's.
    fn adopt(&mut self, id: SessionId, scope: &Scope, lease: LeaseRef) -> bool {
        let Some((_, current)) = self.state.leased(lease) else {
            return false;
        };
        let current = *current;
        let Some(group) = self.state.groups.get(lease.job) else {
            return false;
        };
        if !is_session(current.holder) || self.permit(scope, group.queue).is_err() {
            return false;
        }
        let size = group.size(lease.job);
        if current.session != Some(id) {
            let note = self.live.notes.remove(&lease.job);
            self.let_go(lease.job, &current, size);
            self.state.bind(lease.job, Some(id));
            if let Some(note) = note {
                self.live.notes.insert(lease.job, note);
            }
        }
        if let Some(session) = self.live.sessions.get_mut(&id) {
            session.hold(lease.job, size);
        }
        true
    }
}
