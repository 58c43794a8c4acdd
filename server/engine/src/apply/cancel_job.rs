//! CancelJob: ends a job that waits; asks the worker of one that runs.

use crate::effect::Reply;
use crate::ending::Ending;
use crate::id::{JobId, JobSeq, Scope, Ticket};
use crate::rejection::Rejection;
use crate::transition::{End, JobState, Transition};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn cancel_job(&mut self, ticket: Ticket, scope: &Scope, id: JobId, why: Box<str>) {
        let found = self.job_in_scope(scope, id);
        let found = found.map(|known| (known.seq, known.state()));
        let reply = found.and_then(|(seq, state)| match state {
            JobState::Scheduled | JobState::Ready => {
                self.end_job(seq, Ending::new(End::Cancelled, None, why));
                Ok(Reply::Cancelled(JobState::Cancelled))
            }
            JobState::Leased => {
                self.request_cancel(seq, why);
                Ok(Reply::Cancelled(JobState::Leased))
            }
            JobState::Completed | JobState::Dead | JobState::Cancelled => {
                Err(Rejection::JobEnded { job: id, state })
            }
        });
        self.reply(ticket, reply);
    }

    fn request_cancel(&mut self, seq: JobSeq, reason: Box<str>) {
        let Some(job) = self.state.jobs.get(&seq) else {
            return;
        };
        let lease = job.lease().copied();
        // The first reason stays; the worker may have missed being told.
        if job.cancel().is_none() {
            self.emit(Transition::CancelRequested { job: seq, reason });
        }
        if let Some(lease) = lease {
            self.ask_cancel(seq, &lease);
        }
    }
}
