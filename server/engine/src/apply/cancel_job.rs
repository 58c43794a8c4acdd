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
        let Some(job) = self.state.jobs.get(seq) else {
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

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::{Effect, Reply};
    use crate::id::{JobId, JobSeq, NamespaceTag, Scope, SessionId};
    use crate::rejection::Rejection;
    use crate::testing::{Desk, complete, fail, job, lease_of, name, reject, release, secs};
    use crate::time::Time;
    use crate::transition::{End, JobState};

    #[test]
    fn a_waiting_job_is_cancelled_at_once_from_the_middle_of_a_run() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b"), job("c")]);
        let cancelled = Ok(Reply::Cancelled(JobState::Cancelled));
        assert_eq!(desk.cancel(ids[1]), cancelled);
        let not_found = Err(Rejection::JobNotFound { job: ids[1] });
        assert_eq!(desk.cancel(ids[1]), not_found);
        let order: Vec<_> = desk.get("q", 3).iter().map(|grant| grant.id).collect();
        assert_eq!(order, [ids[0], ids[2]]);
    }

    #[test]
    fn a_running_job_is_cancelled_unless_it_completes() {
        let cases = [
            (complete(), JobState::Completed),
            (fail(), JobState::Cancelled),
            (reject(), JobState::Cancelled),
            (release(), JobState::Cancelled),
        ];
        for (verdict, state) in cases {
            let mut desk = Desk::new();
            let mut new = job("a");
            new.result_retention = Some(secs(60));
            let ids = desk.put("q", vec![new]);
            desk.open_with(1, "q", 1);
            let lease = lease_of(&desk.delivered(1)[0]);
            assert_eq!(desk.cancel(ids[0]), Ok(Reply::Cancelled(JobState::Leased)));
            let ask = Effect::AskCancel {
                session: SessionId(1),
                leases: vec![lease],
            };
            assert_eq!(desk.effects, [ask]);
            assert!(desk.extend(lease, secs(1)).unwrap().cancel_requested);
            desk.restart(secs(1));
            assert_eq!(desk.settle(lease, verdict), Ok(()));
            assert_eq!(desk.state(ids[0]), Some(state));
            let ended = Rejection::JobEnded { job: ids[0], state };
            assert_eq!(desk.cancel(ids[0]), Err(ended));
        }
    }

    #[test]
    fn an_id_has_to_be_right_as_a_whole() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let seq = ids[0].seq();
        let strangers = [
            JobId::new(seq, ids[0].put_time(), NamespaceTag::new(1)),
            JobId::new(seq, Time::from_millis(1), ids[0].tag()),
            JobId::new(JobSeq(99), ids[0].put_time(), ids[0].tag()),
        ];
        for job in strangers {
            assert_eq!(desk.cancel(job), Err(Rejection::JobNotFound { job }));
        }
        assert_eq!(desk.counts("q").ready, 1);
    }

    /// Cancelled where it waits, or where it is leased, kept or not.
    #[test]
    fn without_a_reason_no_older_error_is_told() {
        for leased in [false, true] {
            let mut desk = Desk::new();
            let mut new = job("a");
            new.reply_to = Some(name("replies"));
            new.result_retention = Some(secs(60));
            let ids = desk.put("q", vec![new]);
            let first = lease_of(&desk.get("q", 1)[0]);
            desk.settle(first, fail()).unwrap();
            assert_eq!(&*desk.job(ids[0]).unwrap().error, "broke");
            let lease = leased.then(|| {
                desk.pass(secs(5));
                lease_of(&desk.get("q", 1)[0])
            });
            desk.ask(|ticket| Command::CancelJob {
                ticket,
                scope: Scope::All,
                job: ids[0],
                reason: "".into(),
            })
            .unwrap();
            if let Some(lease) = lease {
                desk.settle(lease, fail()).unwrap();
            }
            let outcome = desk.get("replies", 1)[0].outcome.clone().unwrap();
            assert_eq!((outcome.end, &*outcome.error), (End::Cancelled, ""));
            desk.restart(secs(1));
            assert_eq!(&*desk.job(ids[0]).unwrap().error, "");
        }
    }

    #[test]
    fn the_outcome_tells_the_reason() {
        let mut desk = Desk::new();
        let mut new = job("a");
        new.reply_to = Some(name("replies"));
        let ids = desk.put("q", vec![new]);
        desk.cancel(ids[0]).unwrap();
        let outcome = desk.get("replies", 1)[0].outcome.clone().unwrap();
        assert_eq!((&*outcome.error, outcome.attempts), ("unwanted", 0));
    }
}
