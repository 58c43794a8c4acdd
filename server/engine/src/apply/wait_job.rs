//! WaitJob: waits until a job has ended.

use crate::effect::{JobResult, Reply};
use crate::id::{JobId, Scope, Ticket};
use crate::live::wait::Waiting;
use crate::rejection::Rejection;
use crate::state::{Entry, Known};
use crate::time::Time;
use crate::transition::{End, JobState, Outcome};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn wait_job(
        &mut self,
        ticket: Ticket,
        scope: &Scope,
        id: JobId,
        until: Option<Time>,
    ) {
        let found = self.job_in_scope(scope, id).and_then(|known| {
            if known.state() == JobState::Completed && known.content_lost() {
                return Err(Rejection::ContentDamaged { job: id });
            }
            Ok((known.seq, self.job_waited(&known)))
        });
        match found {
            Err(rejection) => self.reply(ticket, Err(rejection)),
            Ok((_, (reply, true))) => self.reply(ticket, Ok(reply)),
            Ok((seq, (reply, false))) => match self.waits_until(until) {
                None => self.reply(ticket, Ok(reply)),
                Some(until) => match self.room_to_wait() {
                    Ok(()) => self.wait(ticket, until, Waiting::Job(seq)),
                    Err(rejection) => self.reply(ticket, Err(rejection)),
                },
            },
        }
    }

    /// How the job stands, and whether it has ended.
    fn job_waited(&self, known: &Known<'_>) -> (Reply, bool) {
        let end = match known.entry {
            Entry::Ended(ended) => Some(ended.how.end),
            Entry::Plain | Entry::Tracked(_) => None,
        };
        let outcome = end.map(|end| {
            let queue = self.state.queues.get(known.queue);
            Box::new(Outcome {
                job: self.state.id_of(known.seq, known.put_time),
                queue: queue.map_or_else(
                    || unreachable!("I1: {:?} is in no queue", known.seq),
                    |queue| queue.name.clone(),
                ),
                end,
                // The errors of earlier attempts are not those of a completed job.
                error: if end == End::Completed {
                    Box::default()
                } else {
                    known.error().into()
                },
                attempts: known.attempts(),
            })
        });
        let kept = end == Some(End::Completed) && known.size > 0;
        let reply = Reply::JobWaited {
            state: known.state(),
            outcome,
            result: if kept {
                JobResult::Stored(known.seq)
            } else {
                JobResult::None
            },
        };
        (reply, end.is_some())
    }

    /// The wait is over and the job has not ended: that is not an error.
    pub(super) fn reply_job_now(&mut self, ticket: Ticket, seq: crate::id::JobSeq) {
        let reply = match self.state.known(seq) {
            Some(known) => Ok(self.job_waited(&known).0),
            None => {
                let job = self.state.id_of(seq, Time::default());
                Err(Rejection::JobNotFound { job })
            }
        };
        self.reply(ticket, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::testing::{Desk, complete, job, lease_of, name, reject, secs};
    use crate::transition::JobState;

    fn wait(desk: &mut Desk, job: JobId, wait: u64) -> Ticket {
        let ticket = desk.ticket();
        let until = Some(desk.now.after(secs(wait)));
        desk.apply(Command::WaitJob {
            ticket,
            scope: Scope::All,
            job,
            until,
        });
        ticket
    }

    fn answer(desk: &mut Desk, ticket: Ticket) -> Option<(JobState, Option<Outcome>, JobResult)> {
        match desk.answer(ticket)? {
            Ok(Reply::JobWaited {
                state,
                outcome,
                result,
            }) => Some((state, outcome.map(|outcome| *outcome), result)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn not_ended_in_time_shows_the_state_now() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let waiting = wait(&mut desk, ids[0], 5);
        desk.get("q", 1);
        desk.pass(secs(4));
        assert_eq!(answer(&mut desk, waiting), None);
        desk.pass(secs(1));
        let now = (JobState::Leased, None, JobResult::None);
        assert_eq!(answer(&mut desk, waiting), Some(now));
    }

    #[test]
    fn dead_is_an_end() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let before = wait(&mut desk, ids[0], 5);
        let lease = lease_of(&desk.get("q", 1)[0]);
        desk.settle(lease, reject()).unwrap();
        let outcome = Outcome {
            job: ids[0],
            queue: name("q"),
            end: End::Dead,
            error: "never".into(),
            attempts: 1,
        };
        let dead = (JobState::Dead, Some(outcome), JobResult::None);
        assert_eq!(answer(&mut desk, before), Some(dead.clone()));
        let after = wait(&mut desk, ids[0], 5);
        assert_eq!(answer(&mut desk, after), Some(dead));
    }

    #[test]
    fn a_kept_result_is_in_the_store_and_one_not_kept_is_not_found() {
        let mut desk = Desk::new();
        let mut kept = job("a");
        kept.result_retention = Some(secs(60));
        let ids = desk.put("q", vec![kept, job("b")]);
        for grant in desk.get("q", 2) {
            desk.settle(lease_of(&grant), complete()).unwrap();
        }
        let after = wait(&mut desk, ids[0], 5);
        let (state, outcome, result) = answer(&mut desk, after).unwrap();
        assert_eq!(state, JobState::Completed);
        assert_eq!(outcome.unwrap().attempts, 1);
        assert_eq!(result, JobResult::Stored(ids[0].seq()));
        let after = wait(&mut desk, ids[1], 5);
        let not_found = Rejection::JobNotFound { job: ids[1] };
        assert_eq!(desk.answer(after), Some(Err(not_found)));
    }
}
