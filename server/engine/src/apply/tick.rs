//! Tick: time has passed. Does what is due, a bounded amount at a time; if more is
//! due, the next deadline stays in the past and the driver ticks again.

use crate::deadlines::Deadline;
use crate::effect::Effect;
use crate::id::{JobSeq, SessionId, Ticket};
use crate::time::{Duration, Time};
use crate::transition::Transition;
use crate::turn::Turn;

use super::due_max;

/// Jobs that something is due for, by what becomes of them.
#[derive(Default)]
struct DueJobs {
    ready: Vec<JobSeq>,
    forgotten: Vec<JobSeq>,
    expired: Vec<JobSeq>,
    run_time_over: Vec<JobSeq>,
}

/// When a session whose leases cannot end for lack of room is looked at again.
const HELD_BACK: Duration = Duration::from_secs(1);

impl Turn<'_> {
    pub(super) fn tick(&mut self) {
        let mut left = due_max(self.config);
        // Answers first: what a caller waited for may be gone when its wait is over.
        left -= self.give_owed_answers(left);
        let mut jobs = DueJobs::default();
        let mut waits = Vec::new();
        for (_, deadline) in self.due(left) {
            if left == 0 {
                break;
            }
            left -= 1;
            match deadline {
                Deadline::Ready(job) => jobs.ready.push(job),
                Deadline::Forget(job) => jobs.forgotten.push(job),
                Deadline::Lease(job) => jobs.expired.push(job),
                Deadline::RunTime(job) => jobs.run_time_over.push(job),
                Deadline::Session(session) => left -= self.session_due(session, left),
                Deadline::Wait(ticket) => waits.push(ticket),
            }
        }
        self.do_due(jobs);
        // A wait that ends together with its job sees the end.
        for ticket in waits {
            self.wait_is_over(ticket);
        }
    }

    fn do_due(&mut self, jobs: DueJobs) {
        self.expire_all(&jobs.expired, "the lease expired");
        for job in &jobs.run_time_over {
            let lease = self.state.jobs.get(*job).and_then(|job| job.lease());
            if let Some(lease) = lease.copied() {
                self.ask_cancel(*job, &lease);
            }
        }
        self.expire_all(&jobs.run_time_over, "max_run_time has passed");
        self.become_ready(jobs.ready);
        if !jobs.forgotten.is_empty() {
            let jobs = jobs.forgotten;
            self.emit(Transition::JobsRemoved { jobs });
        }
    }

    /// The first `max` of what is due, in the order of time.
    fn due(&self, max: usize) -> Vec<(Time, Deadline)> {
        let (now, clock) = (self.lease_now(), self.state.lease_clock);
        let deadlines = &self.state.deadlines;
        // Without room for grants nobody could lease what comes back: it waits, so that
        // what ends jobs has the room.
        let max_back = if self.is_held_back() { 0 } else { max };
        let leases = deadlines.leases.due(now, max_back);
        let live = self.live.deadlines.due(now, max);
        let leases = leases.chain(live).map(|(at, what)| (clock.time(at), what));
        let jobs = deadlines.jobs.due(self.now, max_back);
        let kept = deadlines.kept.due(self.now, max);
        let mut due: Vec<_> = jobs.chain(kept).chain(leases).collect();
        due.sort_unstable();
        due.truncate(max);
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

    fn wait_is_over(&mut self, ticket: Ticket) {
        if let Some(wait) = self.stop_waiting(ticket) {
            self.reply_now(ticket, wait, None);
        }
    }

    /// The deadline of a session has come: it was heard of since, or it is over. Ends up
    /// to `max` of its leases and returns how many.
    fn session_due(&mut self, id: SessionId, max: usize) -> usize {
        let now = self.lease_now();
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return 0;
        };
        if let Some(at) = session.deadline.take() {
            self.live.deadlines.remove(at, Deadline::Session(id));
        }
        let expire_time = session.expire_time;
        if expire_time > now {
            self.live.expire_session_at(id, expire_time);
            return 0;
        }
        if session.is_open() {
            self.out
                .effects
                .push(Effect::SessionExpired { session: id });
            self.leave_behind(id, expire_time);
        }
        if self.is_held_back() {
            let later = self.lease_now().after(HELD_BACK);
            self.live.look_at_session_at(id, later);
            return 0;
        }
        self.expire_session(id, max)
    }

    /// Ends up to `max` of the leases that a session left behind and returns how many.
    /// The others end with the next Tick, which is due at once.
    pub(super) fn expire_session(&mut self, id: SessionId, max: usize) -> usize {
        let Some(session) = self.live.sessions.get(&id) else {
            return 0;
        };
        let held = session.first_held(max);
        self.expire_all(&held, "the worker's session was lost");
        if self.live.sessions.contains_key(&id) {
            self.live.expire_session_at(id, self.lease_now());
        }
        held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::due_max;
    use crate::command::Command;
    use crate::settings::EngineConfig;
    use crate::testing::{Desk, job, secs};

    #[test]
    fn a_tick_does_a_bounded_amount_and_is_due_again() {
        let mut desk = Desk::new();
        let due_max = due_max(&EngineConfig::default());
        desk.put("q", vec![job("a"); due_max + 1]);
        let mut open = desk.open_command(1, &["q"]);
        open.flow.jobs_max = 2 * due_max;
        desk.open(open).unwrap();
        assert_eq!(desk.delivered(1).len(), due_max + 1);
        desk.now = desk.now.after(secs(30));
        desk.apply(Command::Tick { random: 0 });
        // One of those that it deals with is the session itself.
        assert_eq!(desk.counts("q").leased, 2);
        assert_eq!(desk.engine.next_deadline(), Some(desk.now));
        desk.apply(Command::Tick { random: 0 });
        assert_eq!(desk.counts("q").leased, 0);
        assert_eq!(desk.engine.next_deadline(), None);
    }
}
