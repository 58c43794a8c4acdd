//! Drain: the server is shutting down. Everyone who waits is answered, nothing is
//! granted any more; settling and extending go on.

use crate::id::Ticket;
use crate::live::wait::{Wait, Waiting};
use crate::rejection::Rejection;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn drain(&mut self) {
        self.live.draining = true;
        let mut sessions: Vec<_> = self.live.sessions.keys().copied().collect();
        sessions.sort_unstable();
        for session in sessions {
            self.live.leave_session(session, None);
        }
        self.give_owed_answers(usize::MAX);
        for ticket in self.live.waits.tickets() {
            if let Some(wait) = self.stop_waiting(ticket) {
                self.reply_now(ticket, wait, Some(Rejection::Draining));
            }
        }
    }

    /// Answers a caller that waits no more. A Put that found no room is refused
    /// with `why_not_put`, or because its queue is full.
    pub(super) fn reply_now(&mut self, ticket: Ticket, wait: Wait, why_not_put: Option<Rejection>) {
        match wait.what {
            Waiting::Get(_) => self.reply_nothing(ticket),
            Waiting::Put { put, queue, .. } => {
                let queue = self.state.queues.get(queue);
                let jobs_max = queue.and_then(|queue| queue.settings.jobs_max);
                let full = Rejection::QueueFull {
                    queue: put.queue,
                    jobs_max: jobs_max.unwrap_or(0),
                };
                self.reply(ticket, Err(why_not_put.unwrap_or(full)));
            }
            Waiting::Job(job) => self.reply_job_now(ticket, job),
            Waiting::Queue { queue, settled } => self.reply_queue_now(ticket, queue, settled),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Reply;
    use crate::rejection::Rejection;
    use crate::testing::{Desk, complete, job, lease_of};
    use crate::transition::JobState;

    #[test]
    fn everyone_is_answered_and_only_settling_goes_on() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let lease = lease_of(&desk.get("q", 1)[0]);
        let waiting = desk.wait_get("q", 1);
        desk.open_with(1, "q", 5);
        desk.apply(Command::Drain);
        assert_eq!(desk.got(waiting), Some(vec![]));
        let put = desk.put_command("q", vec![job("b")]);
        assert_eq!(desk.send_put(put), Some(Err(Rejection::Draining)));
        let open = desk.open_command(2, &["q"]);
        assert_eq!(desk.open(open), Err(Rejection::Draining));
        desk.apply(Command::TakeBack {
            leases: vec![lease],
        });
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
        assert_eq!(desk.delivered(1), []);
        assert_eq!(desk.get("q", 1), []);
        assert!(desk.settle(lease, complete()).is_err());
        let read = desk.read(crate::command::Read::Queues {
            after: None,
            queues_max: 10,
        });
        assert!(matches!(read, Ok(Reply::Queues { more: false, .. })));
    }
}
