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
