//! ContentLost: the store cannot read what a job carries. That ends this job and no other.

use crate::ending::Ending;
use crate::id::JobSeq;
use crate::state::Entry;
use crate::transition::{End, Transition};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn content_lost(&mut self, job: JobSeq, error: Box<str>, unless_leased: bool) {
        let Some(known) = self.state.known(job) else {
            return;
        };
        let spared = unless_leased && known.lease().is_some();
        // Of an empty content there is nothing to lose. It also means that a second
        // command for the same job does nothing.
        if spared || known.size == 0 {
            return;
        }
        let has_ended = matches!(known.entry, Entry::Ended(_));
        // It is written however little room there is: compaction cannot go on before, and
        // the damaged content gives back more.
        self.spend(2 * error.len() as u64);
        if !has_ended {
            self.end_job(job, Ending::new(End::Dead, None, error));
        }
        self.emit(Transition::ContentLost { job });
    }
}

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::command::{Command, Read};
    use crate::effect::Reply;
    use crate::id::{JobId, QueueName};
    use crate::rejection::Rejection;
    use crate::settings::EngineConfig;
    use crate::testing::{Desk, complete, job, lease_of, name, reject, secs};
    use crate::transition::{End, JobState, Transition};

    fn lose(desk: &mut Desk, id: JobId, unless_leased: bool) {
        desk.apply(Command::ContentLost {
            job: id.seq(),
            error: "rotten".into(),
            unless_leased,
        });
    }

    fn redrive(desk: &mut Desk, queue: QueueName) -> Result<Reply, Rejection> {
        desk.ask(|ticket| Command::Redrive {
            ticket,
            queue,
            jobs_max: 10,
        })
    }

    #[test]
    fn a_waiting_job_is_dead_for_good_and_its_neighbours_are_not() {
        let mut desk = Desk::new();
        let mut jobs = vec![job("a"), job("b"), job("c")];
        jobs[1].reply_to = Some(name("replies"));
        let ids = desk.put("q", jobs);
        lose(&mut desk, ids[1], true);
        let view = desk.job(ids[1]).unwrap();
        assert_eq!((view.state, &*view.error), (JobState::Dead, "rotten"));
        let outcome = desk.get("replies", 1)[0].outcome.clone().unwrap();
        assert_eq!((outcome.end, &*outcome.error), (End::Dead, "rotten"));
        for _ in 0..2 {
            assert_eq!(redrive(&mut desk, name("q")), Ok(Reply::Count(0)));
            let full = Read::Job {
                job: ids[1],
                content: true,
            };
            let damaged = Err(Rejection::ContentDamaged { job: ids[1] });
            assert_eq!(desk.read(full), damaged);
            desk.restart(secs(1));
        }
        let order: Vec<_> = desk.get("q", 3).iter().map(|grant| grant.id).collect();
        assert_eq!(order, [ids[0], ids[2]]);
    }

    #[test]
    fn an_undelivered_lease_ends_with_the_job_and_frees_its_session() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        desk.open_with(1, "q", 1);
        assert_eq!(desk.delivered(1)[0].id, ids[0]);
        lose(&mut desk, ids[0], false);
        assert_eq!(desk.state(ids[0]), Some(JobState::Dead));
        assert_eq!(desk.delivered(1)[0].id, ids[1], "its place is free again");
    }

    #[test]
    fn a_worker_that_has_the_job_may_finish_it() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let grants = desk.get("q", 1);
        lose(&mut desk, ids[0], true);
        assert_eq!(desk.settle(lease_of(&grants[0]), complete()), Ok(()));
    }

    #[test]
    fn an_ended_job_stays_as_it_ended_and_an_empty_content_cannot_be_lost() {
        let mut desk = Desk::new();
        let mut jobs = vec![job("a"), job("b"), job("")];
        jobs[0].result_retention = Some(secs(60));
        let ids = desk.put("q", jobs);
        let grants = desk.get("q", 2);
        desk.settle(lease_of(&grants[0]), complete()).unwrap();
        desk.settle(lease_of(&grants[1]), reject()).unwrap();
        for id in &ids {
            lose(&mut desk, *id, false);
        }
        let states: Vec<_> = ids.iter().map(|id| desk.state(*id)).collect();
        let expected = [JobState::Completed, JobState::Dead, JobState::Ready].map(Some);
        assert_eq!(states, expected);
        assert_eq!(&*desk.job(ids[1]).unwrap().error, "never");
        let waited = desk.ask(|ticket| Command::WaitJob {
            ticket,
            scope: crate::id::Scope::All,
            job: ids[0],
            until: None,
        });
        assert_eq!(waited, Err(Rejection::ContentDamaged { job: ids[0] }));
    }

    #[test]
    fn the_loss_is_restated_with_its_job() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        lose(&mut desk, ids[0], true);
        let written = desk.journal.len();
        let jobs = vec![ids[0].seq()];
        desk.apply(Command::RestateJobs { jobs });
        let mut engine = Engine::new(EngineConfig::default());
        for transition in &desk.journal[written..] {
            engine.restore(transition, true).unwrap();
        }
        desk.engine = engine;
        desk.apply(Command::RestateJobs {
            jobs: vec![ids[0].seq()],
        });
        let again = desk.journal.last();
        let lost = Transition::ContentLost { job: ids[0].seq() };
        assert_eq!(again, Some(&lost));
    }
}
