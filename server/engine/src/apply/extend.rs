//! Extend: moves the expiry of leases, and tells whether cancellation was asked.

use std::time::Duration;

use crate::command::Extend;
use crate::effect::{Extension, Reply};
use crate::id::{LeaseRef, Scope};
use crate::rejection::Rejection;
use crate::state::evolve::is_session;
use crate::state::job::Lease;
use crate::time::Time;
use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn extend(&mut self, extend: Extend) {
        if let Some(session) = extend.session {
            self.renew(session);
        }
        let mut results = Vec::with_capacity(extend.leases.len());
        for lease in extend.leases {
            results.push(lease.and_then(|lease| {
                let extension = self.extend_one(&extend.scope, lease, extend.lease_duration)?;
                if !extend.progress.is_empty() {
                    let note = self.live.notes.entry(lease.job).or_default();
                    note.progress = extend.progress.clone();
                }
                Ok(extension)
            }));
        }
        self.reply(extend.ticket, Ok(Reply::Extended(results)));
    }

    fn extend_one(
        &mut self,
        scope: &Scope,
        lease: LeaseRef,
        duration: Option<Duration>,
    ) -> Result<Extension, Rejection> {
        if let Some(group) = self.state.groups.get(lease.job) {
            self.permit(scope, group.queue)?;
        }
        let Some((job, current)) = self.state.leased(lease) else {
            return Err(self.lease_lost(lease));
        };
        let current = *current;
        let cancel_requested = job.cancel().is_some();
        let mut expire_time = self.expire_time(&current);
        if !is_session(current.holder) {
            let asked = self.now.after(duration.unwrap_or(current.lease_duration));
            // Never to an earlier moment: an extension may arrive late.
            if asked > expire_time {
                expire_time = asked;
                self.emit(Transition::LeaseExtended { lease, expire_time });
            }
        }
        Ok(Extension {
            expire_time,
            cancel_requested,
        })
    }

    /// When the lease ends as things are: that of a session with its session.
    pub(super) fn expire_time(&self, lease: &Lease) -> Time {
        let session = lease.session.and_then(|id| self.live.sessions.get(&id));
        session.map_or(lease.expire_time, |session| session.expire_time)
    }
}
