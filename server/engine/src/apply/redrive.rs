//! Redrive: dead jobs are ready again, the oldest first, with all their attempts.

use crate::effect::Reply;
use crate::id::{JobSeq, QueueName, Ticket};
use crate::transition::{JobState, Requeue, Transition};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn redrive(&mut self, ticket: Ticket, name: &QueueName, jobs_max: usize) {
        let queue = self.queue_named(name).map(|(id, _)| id);
        let reply = queue.map(|queue| {
            let dead = [JobState::Dead];
            let jobs = self.state.jobs_in(queue, &dead, JobSeq(0), jobs_max);
            let count = jobs.len();
            for job in jobs {
                self.emit(Transition::JobRequeued {
                    job,
                    lease: None,
                    how: Requeue::Redriven,
                    attempts: 0,
                    ready_time: None,
                    error: Box::default(),
                });
            }
            self.touch(queue);
            Reply::Count(u64::try_from(count).unwrap_or(u64::MAX))
        });
        self.reply(ticket, reply);
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Reply;
    use crate::testing::{Desk, job, lease_of, name, reject};

    #[test]
    fn dead_jobs_get_all_their_attempts_again_the_oldest_first() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b"), job("c")]);
        for grant in desk.get("q", 2) {
            desk.settle(lease_of(&grant), reject()).unwrap();
        }
        let redriven = desk.ask(|ticket| Command::Redrive {
            ticket,
            queue: name("q"),
            jobs_max: 1,
        });
        assert_eq!(redriven, Ok(Reply::Count(1)));
        let grants = desk.get("q", 3);
        let got: Vec<_> = grants.iter().map(|g| (g.id, g.attempt)).collect();
        assert_eq!(got, [(ids[0], 1), (ids[2], 1)]);
    }
}
