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
                    if let Some(lease) = known.lease().copied() {
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

#[cfg(test)]
mod tests {
    use crate::effect::{Effect, Reply};
    use crate::id::SessionId;
    use crate::testing::{Desk, complete, job, lease_of, name, reject};
    use crate::transition::JobState;

    #[test]
    fn live_jobs_are_cancelled_and_ended_ones_forgotten() {
        let mut desk = Desk::new();
        let mut told = job("a");
        told.reply_to = Some(name("replies"));
        desk.put("q", vec![told.clone(), told, job("c")]);
        let lease = lease_of(&desk.get("q", 1)[0]);
        desk.settle(lease, reject()).unwrap();
        assert_eq!(desk.counts("replies").ready, 1);
        let purged = desk.purge("q", &[JobState::Ready, JobState::Scheduled]);
        assert_eq!(purged, Ok(Reply::Count(2)));
        assert_eq!(
            desk.counts("replies").ready,
            2,
            "a cancelled job has an outcome"
        );
        assert_eq!(desk.purge("q", &[JobState::Dead]), Ok(Reply::Count(1)));
        assert_eq!(desk.counts("q").total(), 0);
    }

    #[test]
    fn a_leased_job_is_lost_to_its_worker() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        desk.open_with(1, "q", 1);
        let lease = lease_of(&desk.delivered(1)[0]);
        assert_eq!(desk.purge("q", &[JobState::Leased]), Ok(Reply::Count(1)));
        let ask = Effect::AskCancel {
            session: SessionId(1),
            leases: vec![lease],
        };
        assert_eq!(desk.effects, [ask]);
        assert!(desk.settle(lease, complete()).is_err());
        desk.put("q", vec![job("b")]);
        assert_eq!(desk.delivered(1).len(), 1, "its place is free again");
    }
}
