//! OpenSession: a worker comes, or comes back and names what it holds.

use crate::by_job::JobSet;
use crate::command::OpenSession;
use crate::effect::{Effect, Reply};
use crate::id::{JobSeq, LeaseRef, Scope, SessionId};
use crate::live::session::{Session, Spot, Standing};
use crate::rejection::Rejection;
use crate::state::evolve::is_session;
use crate::time::LeaseTime;
use crate::turn::Turn;

use super::limit_reached;

impl Turn<'_> {
    pub(super) fn open_session(&mut self, open: OpenSession) {
        let id = open.session;
        if let Err(rejection) = self.may_open(id) {
            return self.reply(open.ticket, Err(rejection));
        }
        let spot = |queue| Spot {
            queue,
            place: None,
            tight: None,
        };
        let session = Session {
            standing: Standing::Open,
            queues: open.queues.into_iter().map(spot).collect(),
            worker: open.worker,
            flow: open.flow,
            lease_duration: open.lease_duration,
            grace: open.grace,
            held: JobSet::default(),
            bytes: 0,
            expire_time: LeaseTime::default(),
            deadline: None,
            turn: 0,
        };
        self.live.sessions.insert(id, session);
        self.live.sessions_open += 1;
        self.renew(id);
        let mut lost = Vec::new();
        for lease in open.held {
            if !self.adopt(id, &open.scope, lease) {
                lost.push(lease);
            }
        }
        self.reply(open.ticket, Ok(Reply::Opened { lost }));
        self.ask_again(id);
        self.freed(id);
    }

    /// What was asked while the worker was away, it does not know.
    fn ask_again(&mut self, id: SessionId) {
        let Some(session) = self.live.sessions.get(&id) else {
            return;
        };
        let asked = |job: JobSeq| {
            let entry = self.state.jobs.get(job)?;
            entry.cancel()?;
            let lease = entry.lease()?.number;
            Some(LeaseRef { job, lease })
        };
        let leases: Vec<_> = session
            .held_in_order()
            .into_iter()
            .filter_map(asked)
            .collect();
        if !leases.is_empty() {
            let session = id;
            self.out.effects.push(Effect::AskCancel { session, leases });
        }
    }

    fn may_open(&self, id: SessionId) -> Result<(), Rejection> {
        if self.live.draining {
            return Err(Rejection::Draining);
        }
        if self.live.sessions.contains_key(&id) {
            return Err(Rejection::SessionNotFound);
        }
        if self.live.sessions_open >= self.config.sessions_max {
            return Err(limit_reached("limits.sessions", self.config.sessions_max));
        }
        Ok(())
    }

    /// Binds a standing lease to the session, whoever held it before. The token
    /// is the proof that it is this worker's.
    fn adopt(&mut self, id: SessionId, scope: &Scope, lease: LeaseRef) -> bool {
        let Some((_, current)) = self.state.leased(lease) else {
            return false;
        };
        let current = *current;
        let Some(group) = self.state.groups.get(lease.job) else {
            return false;
        };
        if !is_session(current.holder) || self.permit(scope, group.queue).is_err() {
            return false;
        }
        let size = group.size(lease.job);
        if current.session != Some(id) {
            let note = self.live.notes.remove(&lease.job);
            self.let_go(lease.job, &current, size);
            self.state.bind(lease.job, Some(id));
            if let Some(note) = note {
                self.live.notes.insert(lease.job, note);
            }
        }
        if let Some(session) = self.live.sessions.get_mut(&id) {
            session.hold(lease.job, size);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Effect;
    use crate::id::{LeaseRef, Scope, SessionId};
    use crate::rejection::Rejection;
    use crate::settings::EngineConfig;
    use crate::testing::{Desk, complete, flow, job, lease_of, secs};
    use crate::transition::JobState;

    fn leases(desk: &mut Desk, session: u64) -> Vec<LeaseRef> {
        desk.delivered(session).iter().map(lease_of).collect()
    }

    #[test]
    fn a_session_gets_what_its_flow_allows_and_more_when_it_settles() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"); 5]);
        desk.open_with(1, "q", 2);
        let held = leases(&mut desk, 1);
        assert_eq!(held.len(), 2);
        desk.settle(held[0], complete()).unwrap();
        assert_eq!(desk.delivered(1).len(), 1);
        desk.apply(Command::SetFlow {
            session: SessionId(1),
            flow: flow(4),
        });
        assert_eq!(desk.delivered(1).len(), 2);
        assert_eq!(desk.counts("q").ready, 0);
    }

    #[test]
    fn bytes_in_flight_are_bounded_and_one_larger_job_comes_alone() {
        let mut desk = Desk::new();
        desk.put(
            "q",
            vec![job("12345678"), job("1234"), job("1234"), job("1")],
        );
        let mut open = desk.open_command(1, &["q"]);
        open.flow.jobs_max = 10;
        open.flow.bytes_max = 8;
        desk.open(open).unwrap();
        let held = leases(&mut desk, 1);
        assert_eq!(held.len(), 1);
        desk.settle(held[0], complete()).unwrap();
        let held = leases(&mut desk, 1);
        assert_eq!(held.len(), 2);
        desk.settle(held[0], complete()).unwrap();
        assert_eq!(desk.delivered(1).len(), 1);

        desk.put("large", vec![job("123456789"), job("")]);
        let mut open = desk.open_command(2, &["large"]);
        open.flow.bytes_max = 8;
        desk.open(open).unwrap();
        assert_eq!(desk.delivered(2).len(), 1);
    }

    #[test]
    fn a_job_that_was_too_large_comes_when_its_turn_is_possible() {
        let mut desk = Desk::new();
        desk.put("small", vec![job("")]);
        desk.put("large", vec![job("123456789")]);
        let mut open = desk.open_command(1, &["small", "large", "other"]);
        open.flow.jobs_max = 3;
        open.flow.bytes_max = 8;
        desk.open(open).unwrap();
        let small = leases(&mut desk, 1);
        assert_eq!(small.len(), 1);
        // Being served elsewhere in between changes nothing.
        desk.put("other", vec![job("1")]);
        let other = leases(&mut desk, 1);
        desk.settle(other[0], complete()).unwrap();
        assert_eq!(desk.delivered(1), []);
        desk.settle(small[0], complete()).unwrap();
        assert_eq!(desk.delivered(1).len(), 1);
    }

    #[test]
    fn a_session_passed_over_for_a_large_job_gets_smaller_ones_later() {
        let mut desk = Desk::new();
        let mut open = desk.open_command(1, &["q"]);
        open.flow.jobs_max = 10;
        open.flow.bytes_max = 8;
        desk.open(open).unwrap();
        desk.put("q", vec![job("12345")]);
        assert_eq!(leases(&mut desk, 1).len(), 1);
        desk.put("q", vec![job("1234567")]);
        let view = desk.queue("q");
        assert_eq!((view.waiting, view.waiting_for_bytes), (0, 1));
        assert_eq!(desk.get("q", 1).len(), 1, "the large job goes elsewhere");
        let view = desk.queue("q");
        assert_eq!((view.waiting, view.waiting_for_bytes), (1, 0));
        desk.put("q", vec![job("123")]);
        assert_eq!(leases(&mut desk, 1).len(), 1);
    }

    #[test]
    fn sessions_and_gets_stand_in_one_line() {
        let mut desk = Desk::new();
        desk.open_with(1, "q", 100);
        let get = desk.wait_get("q", 100);
        desk.open_with(2, "q", 100);
        desk.put("q", vec![job("a"); 6]);
        assert_eq!(desk.delivered(1).len(), 2);
        assert_eq!(desk.got(get).unwrap().len(), 2);
        assert_eq!(desk.delivered(2).len(), 2);
    }

    #[test]
    fn a_session_takes_its_queues_by_turns() {
        let mut desk = Desk::new();
        desk.put("a", vec![job("a"); 3]);
        desk.put("b", vec![job("b"); 3]);
        let open = desk.open_command(1, &["a", "b"]);
        desk.open(open).unwrap();
        let mut queues = Vec::new();
        for _ in 0..6 {
            for effect in &desk.effects {
                if let Effect::Deliver { queue, .. } = effect {
                    queues.push(queue.to_string());
                }
            }
            let held = leases(&mut desk, 1);
            desk.settle(held[0], complete()).unwrap();
        }
        assert_eq!(queues, ["a", "b", "a", "b", "a", "b"]);
    }

    #[test]
    fn a_worker_may_come_before_its_queue() {
        let mut desk = Desk::new();
        desk.open_with(1, "later", 1);
        desk.put("later", vec![job("a")]);
        assert_eq!(desk.delivered(1).len(), 1);
    }

    #[test]
    fn a_worker_that_comes_back_keeps_what_it_holds() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        desk.open_with(1, "q", 2);
        let held = leases(&mut desk, 1);
        desk.settle(held[1], complete()).unwrap();
        let session = SessionId(1);
        desk.apply(Command::CloseSession { session });
        let mut open = desk.open_command(2, &["q"]);
        open.held = held.clone();
        assert_eq!(desk.open(open), Ok(vec![held[1]]));
        desk.pass(secs(5));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        assert_eq!(&*desk.job(ids[0]).unwrap().worker, "worker");
        assert_eq!(desk.settle(held[0], complete()), Ok(()));
    }

    #[test]
    fn a_worker_that_comes_back_is_told_what_was_cancelled() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        desk.open_with(1, "q", 1);
        let held = leases(&mut desk, 1);
        desk.restart(secs(1));
        desk.cancel(ids[0]).unwrap();
        assert_eq!(desk.effects, []);
        let mut open = desk.open_command(1, &["q"]);
        open.held = held.clone();
        assert_eq!(desk.open(open), Ok(vec![]));
        let ask = Effect::AskCancel {
            session: SessionId(1),
            leases: held,
        };
        assert_eq!(desk.effects, [ask]);
    }

    #[test]
    fn a_session_has_time_to_come_back_after_a_restart() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        desk.open_with(1, "q", 2);
        let held = leases(&mut desk, 1);
        desk.restart(secs(1000));
        desk.pass(secs(29));
        let mut open = desk.open_command(1, &["q"]);
        open.held = vec![held[0]];
        assert_eq!(desk.open(open), Ok(vec![]));
        desk.pass(secs(1));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        assert_eq!(desk.state(ids[1]), Some(JobState::Ready), "nobody named it");
    }

    #[test]
    fn held_leases_out_of_scope_are_lost() {
        let mut desk = Desk::new();
        desk.put("secret", vec![job("a")]);
        desk.open_with(1, "secret", 1);
        let held = leases(&mut desk, 1);
        let mut open = desk.open_command(2, &["q"]);
        open.held = held.clone();
        open.scope = Scope::Patterns(["q*".into()].into());
        assert_eq!(desk.open(open), Ok(held));
    }

    #[test]
    fn open_sessions_are_bounded() {
        let mut desk = Desk::with(EngineConfig {
            sessions_max: 1,
            ..EngineConfig::default()
        });
        desk.open_with(1, "q", 1);
        let open = desk.open_command(2, &["q"]);
        let limit = Rejection::LimitReached {
            limit: "limits.sessions",
            max: 1,
        };
        assert_eq!(desk.open(open), Err(limit));
    }

    #[test]
    fn signs_of_life_renew_all_leases_and_silence_ends_them() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        desk.open_with(1, "q", 1);
        desk.delivered(1);
        let session = SessionId(1);
        for _ in 0..5 {
            desk.pass(secs(29));
            desk.apply(Command::Heartbeat { session });
        }
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        desk.pass(secs(30));
        assert_eq!(desk.effects, [Effect::SessionExpired { session }]);
        assert_eq!(desk.state(ids[0]), Some(JobState::Ready));
        assert_eq!(desk.job(ids[0]).unwrap().attempts, 1);
    }
}
