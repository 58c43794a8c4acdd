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
        if let Some(queue) = self.state.queue_of(lease.job) {
            self.permit(scope, queue)?;
        }
        let Some((job, current)) = self.state.leased(lease) else {
            return Err(self.lease_lost(lease));
        };
        let current = *current;
        let cancel_requested = job.cancel().is_some();
        let mut expire_time = self.expire_time(&current);
        if !is_session(current.holder) {
            let asked = self.now.after(duration.unwrap_or(current.lease_duration));
            // Never to an earlier moment: an extension may arrive late. The first one shows in any
            // case that the worker has the job.
            if asked > expire_time || current.is_unheard() {
                self.room_for_extension(&current)?;
                expire_time = expire_time.max(asked);
                self.emit(Transition::LeaseExtended { lease, expire_time });
            }
        }
        Ok(Extension {
            expire_time,
            cancel_requested,
        })
    }

    /// When the lease ends as things are: that of a session with its session.
    pub(crate) fn expire_time(&self, lease: &Lease) -> Time {
        let session = lease.session.and_then(|id| self.live.sessions.get(&id));
        let end = session.map_or(lease.expire_time, |session| session.expire_time);
        self.state.lease_clock.time(end)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::SessionId;
    use crate::rejection::Rejection;
    use crate::testing::{Desk, complete, job, lease_of, secs};
    use crate::transition::JobState;

    #[test]
    fn an_extended_lease_lasts_longer_and_never_shorter() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let lease = lease_of(&desk.get("q", 1)[0]);
        let start = desk.now;
        let extended = desk.extend(lease, secs(100)).unwrap();
        assert_eq!(extended.expire_time, start.after(secs(100)));
        let shorter = desk.extend(lease, secs(1)).unwrap();
        assert_eq!(shorter.expire_time, start.after(secs(100)));
        desk.restart(secs(0));
        desk.pass(secs(99));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        desk.pass(secs(1));
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
        let lost = Rejection::LeaseLost {
            state: Some(JobState::Ready),
        };
        assert_eq!(desk.extend(lease, secs(1)), Err(lost));
    }

    #[test]
    fn the_lease_of_a_session_lives_as_long_as_the_session() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        desk.open_with(1, "q", 1);
        let lease = lease_of(&desk.delivered(1)[0]);
        let written = desk.journal.len();
        let extended = desk.extend(lease, secs(1000)).unwrap();
        assert_eq!(extended.expire_time, desk.now.after(secs(30)));
        assert_eq!(desk.journal.len(), written);
        assert_eq!(&*desk.job(ids[0]).unwrap().progress, "half");
    }

    #[test]
    fn the_run_time_ends_an_attempt_whatever_is_extended() {
        let mut desk = Desk::new();
        let mut new = job("a");
        new.run_time_max = Some(secs(40));
        let ids = desk.put("q", vec![new]);
        desk.open_with(1, "q", 1);
        let lease = lease_of(&desk.delivered(1)[0]);
        let session = SessionId(1);
        for _ in 0..3 {
            desk.pass(secs(13));
            desk.apply(Command::Heartbeat { session });
        }
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        desk.apply(Command::DrainSession { session });
        desk.pass(secs(1));
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
        assert_eq!(&*desk.job(ids[0]).unwrap().error, "max_run_time has passed");
        assert!(desk.settle(lease, complete()).is_err());
    }
}
