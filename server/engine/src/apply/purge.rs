//! Purge: ends jobs of a queue by their state, a bounded number at a time.

use crate::effect::Reply;
use crate::ending::Ending;
use crate::id::{JobSeq, QueueName, Ticket};
use crate::transition::{End, JobState, Transition};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn purge(
        &mut self,
        ticket: Ticket,
        name: &QueueName,
        states: &[JobState],
        jobs_max: usize,
    ) {
        let queue = self.queue_named(name).map(|(id, _)| id);
        let reply = queue.map(|queue| {
            let jobs = self.state.jobs_in(queue, states, JobSeq(0), jobs_max);
            let count = jobs.len();
            self.purge_jobs(jobs);
            self.touch(queue);
            Reply::Count(u64::try_from(count).unwrap_or(u64::MAX))
        });
        self.reply(ticket, reply);
    }

    /// Live jobs are cancelled, with their outcomes; those that have ended are
    /// forgotten.
    fn purge_jobs(&mut self, jobs: Vec<JobSeq>) {
        let mut ended = Vec::new();
        for seq in jobs {
            let Some(known) = self.state.known(seq) else {
                continue;
            };
            match known.state() {
                JobState::Scheduled | JobState::Ready => {}
                JobState::Leased => {
                    if let Some(lease) = known.job.and_then(|job| job.lease()).copied() {
                        self.ask_cancel(seq, &lease);
                    }
                }
                JobState::Completed | JobState::Dead | JobState::Cancelled => {
                    ended.push(seq);
                    continue;
                }
            }
            self.end_job(seq, Ending::new(End::Cancelled, None, "purged".into()));
        }
        if !ended.is_empty() {
            self.emit(Transition::JobsRemoved { jobs: ended });
        }
    }
}
