//! WaitJob: waits until a job has ended.

use crate::effect::{JobResult, Reply};
use crate::id::{JobId, Scope, Ticket};
use crate::live::wait::Waiting;
use crate::rejection::Rejection;
use crate::state::Known;
use crate::state::job::Place;
use crate::time::Time;
use crate::transition::{End, Outcome};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn wait_job(
        &mut self,
        ticket: Ticket,
        scope: &Scope,
        id: JobId,
        until: Option<Time>,
    ) {
        let found = self.job_in_scope(scope, id);
        let found = found.map(|known| (known.seq, self.job_waited(&known)));
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
        let ended = known.job.and_then(|job| match job.place {
            Place::Ended { end, .. } => Some((end, job)),
            Place::Scheduled { .. } | Place::Ready | Place::Leased(_) => None,
        });
        let outcome = ended.map(|(end, job)| {
            let queue = self.state.queues.get(known.group.queue);
            Box::new(Outcome {
                job: self.state.id_of(known.seq, known.group.put_time),
                queue: queue.map_or_else(
                    || unreachable!("I1: {:?} is in no queue", known.seq),
                    |queue| queue.name.clone(),
                ),
                end,
                // The errors of earlier attempts are not those of a completed job.
                error: if end == End::Completed {
                    Box::default()
                } else {
                    job.error().into()
                },
                attempts: job.attempts,
            })
        });
        let kept = matches!(ended, Some((End::Completed, _))) && known.size() > 0;
        let reply = Reply::JobWaited {
            state: known.state(),
            outcome,
            result: if kept {
                JobResult::Stored(known.seq)
            } else {
                JobResult::None
            },
        };
        (reply, ended.is_some())
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
