//! Tick: time has passed. Does what is due, a bounded amount at a time; if more is
//! due, the next deadline stays in the past and the driver ticks again.

use crate::deadlines::Deadline;
use crate::effect::Effect;
use crate::id::{JobSeq, SessionId, Ticket};
use crate::time::Time;
use crate::transition::Transition;
use crate::turn::Turn;

/// How many deadlines, or leases of one session, one Tick deals with.
const DUE_MAX: usize = 1000;

impl Turn<'_> {
    pub(super) fn tick(&mut self) {
        let due = self.due();
        let (mut ready, mut over) = (Vec::new(), Vec::new());
        for (at, deadline) in due {
            let stands = || {
                let at = self.state.lease_clock.lease_time(at);
                self.state.deadlines.leases.contains(at, deadline)
            };
            match deadline {
                Deadline::Ready(job) => ready.push(job),
                Deadline::Forget(job) => over.push(job),
                // An earlier one may have ended the lease already.
                Deadline::Lease(job) if stands() => {
                    self.expire(job, "the lease expired");
                }
                Deadline::RunTime(job) if stands() => {
                    self.run_time_passed(job);
                }
                Deadline::Lease(_) | Deadline::RunTime(_) => {}
                Deadline::Session(session) => self.session_due(session),
                Deadline::Wait(ticket) => self.wait_is_over(ticket),
            }
        }
        self.become_ready(ready);
        if !over.is_empty() {
            self.emit(Transition::JobsRemoved { jobs: over });
        }
    }

    /// The first of what is due, in the order of time.
    fn due(&self) -> Vec<(Time, Deadline)> {
        let (now, clock) = (self.lease_now(), self.state.lease_clock);
        let leases = self.state.deadlines.leases.due(now, DUE_MAX);
        let live = self.live.deadlines.due(now, DUE_MAX);
        let leases = leases.chain(live).map(|(at, what)| (clock.time(at), what));
        let jobs = self.state.deadlines.jobs.due(self.now, DUE_MAX);
        let mut due: Vec<_> = jobs.chain(leases).collect();
        due.sort_unstable();
        due.truncate(DUE_MAX);
        due
    }

    fn become_ready(&mut self, jobs: Vec<JobSeq>) {
        if jobs.is_empty() {
            return;
        }
        for job in &jobs {
            if let Some(group) = self.state.groups.get(*job) {
                let queue = group.queue;
                self.touch(queue);
            }
        }
        self.emit(Transition::JobsReady { jobs });
    }

    fn run_time_passed(&mut self, job: JobSeq) {
        let lease = self.state.jobs.get(job).and_then(|job| job.lease());
        if let Some(lease) = lease.copied() {
            self.ask_cancel(job, &lease);
        }
        self.expire(job, "max_run_time has passed");
    }

    fn wait_is_over(&mut self, ticket: Ticket) {
        if let Some(wait) = self.stop_waiting(ticket) {
            self.reply_now(ticket, wait, None);
        }
    }

    /// The deadline of a session has come: it was heard of since, or it is over.
    fn session_due(&mut self, id: SessionId) {
        let now = self.lease_now();
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return;
        };
        if let Some(at) = session.deadline.take() {
            self.live.deadlines.remove(at, Deadline::Session(id));
        }
        let expire_time = session.expire_time;
        if expire_time > now {
            self.live.expire_session_at(id, expire_time);
            return;
        }
        if session.is_open() {
            self.out
                .effects
                .push(Effect::SessionExpired { session: id });
            self.leave_behind(id, expire_time);
        }
        self.expire_session(id);
    }

    /// The leases that a session left behind expire; those beyond the bound with
    /// the next Tick, which is due at once.
    pub(super) fn expire_session(&mut self, id: SessionId) {
        let Some(session) = self.live.sessions.get(&id) else {
            return;
        };
        let held = session.held_in_order();
        for job in held.into_iter().take(DUE_MAX) {
            self.expire(job, "the worker's session was lost");
        }
        if self.live.sessions.contains_key(&id) {
            self.live.expire_session_at(id, self.lease_now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::testing::{Desk, job, secs};

    #[test]
    fn a_tick_does_a_bounded_amount_and_is_due_again() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"); DUE_MAX + 1]);
        let mut open = desk.open_command(1, &["q"]);
        open.flow.jobs_max = 2 * DUE_MAX;
        desk.open(open).unwrap();
        assert_eq!(desk.delivered(1).len(), DUE_MAX + 1);
        desk.now = desk.now.after(secs(30));
        desk.apply(Command::Tick { random: 0 });
        assert_eq!(desk.counts("q").leased, 1);
        assert_eq!(desk.engine.next_deadline(), Some(desk.now));
        desk.apply(Command::Tick { random: 0 });
        assert_eq!(desk.counts("q").leased, 0);
        assert_eq!(desk.engine.next_deadline(), None);
    }
}
