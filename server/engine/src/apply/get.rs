//! Get: leases jobs of one queue, waiting for the first if need be.

use crate::command::Get;
use crate::deadlines::Deadline;
use crate::effect::Reply;
use crate::id::Ticket;
use crate::live::Waiter;
use crate::live::wait::{Wait, Waiting, WaitingGet};
use crate::rejection::Rejection;
use crate::turn::Turn;

impl Turn<'_> {
    /// A Get stands in line like everyone; one that may not wait leaves it empty
    /// handed if its turn does not come at once.
    pub(super) fn get(&mut self, get: Get) {
        let ticket = get.ticket;
        let until = self.waits_until(get.until);
        let has_room = self.room_to_wait();
        if self.live.draining {
            return self.reply_nothing(ticket);
        }
        let place = self.live.stand(&get.queue, Waiter::Get(ticket));
        let queue = self.state.queues.named(&get.queue).map(|(id, _)| id);
        let waiting = WaitingGet {
            queue: get.queue,
            place,
            jobs_max: get.jobs_max,
            lease_duration: get.lease_duration,
            auto_complete: get.auto_complete,
            worker: get.worker,
        };
        let wait = Wait {
            until: until.unwrap_or_else(|| self.lease_now()),
            what: Waiting::Get(waiting),
        };
        self.live.waits.insert(ticket, wait);
        if let Some(queue) = queue {
            let end = self.out.steps.saturating_add(self.config.step_max.max(1));
            self.match_queue(queue, end);
            self.touch(queue); // someone may wait until it is empty
        }
        if self.live.waits.get(ticket).is_none() {
            return;
        }
        // Most Gets never come here: only now it needs a deadline.
        if let Some(until) = until {
            self.live.deadlines.insert(until, Deadline::Wait(ticket));
        }
        let refused: Option<Rejection> = until.and_then(|_| has_room.err());
        if until.is_none() || refused.is_some() {
            self.stop_waiting(ticket);
            match refused {
                Some(rejection) => self.reply(ticket, Err(rejection)),
                None => self.reply_nothing(ticket),
            }
        }
    }

    /// Nothing came in time.
    pub(super) fn reply_nothing(&mut self, ticket: Ticket) {
        let reply = Reply::Got {
            grants: Vec::new(),
            expire_time: self.now,
        };
        self.reply(ticket, Ok(reply));
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::JobId;
    use crate::rejection::Rejection;
    use crate::settings::{EngineConfig, UNHEARD_MAX};
    use crate::testing::{Desk, complete, job, lease_of, name, secs};
    use crate::transition::JobState;

    #[test]
    fn an_empty_queue_gives_nothing_at_once_or_a_job_in_time() {
        let mut desk = Desk::new();
        assert_eq!(desk.get("q", 1), []);
        let waiting = desk.wait_get("q", 1);
        desk.put("q", vec![job("a"), job("b")]);
        assert_eq!(desk.got(waiting).unwrap().len(), 1);
        let waiting = desk.wait_get("other", 1);
        desk.pass(secs(59));
        assert_eq!(desk.got(waiting), None);
        desk.pass(secs(1));
        assert_eq!(desk.got(waiting), Some(vec![]));
    }

    #[test]
    fn a_caller_that_went_away_gets_no_job() {
        let mut desk = Desk::new();
        let gone = desk.wait_get("q", 1);
        let here = desk.wait_get("q", 1);
        desk.apply(Command::Abandon { ticket: gone });
        desk.put("q", vec![job("a")]);
        assert_eq!(desk.got(gone), None);
        assert_eq!(desk.got(here).unwrap().len(), 1);
    }

    #[test]
    fn nobody_hoards_while_others_wait() {
        let mut desk = Desk::new();
        let waiting = [(); 3].map(|()| desk.wait_get("q", 100));
        desk.put("q", vec![job("a"); 9]);
        for ticket in waiting {
            assert_eq!(desk.got(ticket).unwrap().len(), 3);
        }
    }

    #[test]
    fn an_answer_is_bounded_in_bytes_and_a_larger_job_comes_alone() {
        let mut desk = Desk::with(EngineConfig {
            get_bytes_max: 5,
            ..EngineConfig::default()
        });
        desk.put(
            "q",
            ["aa", "bb", "cc", "larger than that", "d"]
                .map(job)
                .to_vec(),
        );
        let counts = [(); 4].map(|()| desk.get("q", 100).len());
        assert_eq!(counts, [2, 1, 1, 1]);
    }

    #[test]
    fn auto_complete_is_at_most_once() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let mut get = desk.get_command("q", 1);
        get.auto_complete = true;
        let grants = desk.send_get(get).unwrap();
        assert_eq!(grants.len(), 1);
        assert_eq!(desk.state(ids[0]), None);
        // Taken back or not: the job is done.
        let leases = vec![lease_of(&grants[0])];
        desk.apply(Command::TakeBack { leases });
        assert_eq!(desk.get("q", 1), []);
        assert_eq!(desk.settle(lease_of(&grants[0]), complete()), Ok(()));
    }

    #[test]
    fn a_lease_expires_and_the_job_comes_back_in_its_old_place() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        desk.get("q", 1);
        desk.pass(secs(29));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        desk.pass(secs(1));
        let grants = desk.get("q", 2);
        assert_eq!(
            (grants[0].id, grants[0].attempt),
            (ids[0], 1),
            "not counted"
        );
        assert_eq!((grants[1].id, grants[1].attempt), (ids[1], 1));
        let view = desk.job(ids[0]).unwrap();
        assert_eq!(&*view.error, "the lease expired");
        assert_eq!(&*view.worker, "tester");
    }

    /// One that may run once, so that each expiry that counts is its end.
    fn once(desk: &mut Desk) -> JobId {
        let mut new = job("a");
        new.max_attempts = Some(1);
        desk.put("q", vec![new])[0]
    }

    #[test]
    fn an_answer_that_was_never_read_is_no_attempt_three_times() {
        let mut desk = Desk::new();
        let id = once(&mut desk);
        for _ in 0..UNHEARD_MAX {
            assert_eq!(desk.get("q", 1)[0].attempt, 1);
            desk.pass(secs(31));
            assert_eq!(desk.state(id), Some(JobState::Ready));
            desk.restart(secs(0));
        }
        desk.get("q", 1);
        desk.pass(secs(31));
        assert_eq!(desk.state(id), Some(JobState::Dead), "it is bounded");
        assert_eq!(&*desk.job(id).unwrap().error, "the lease expired");
        desk.ask(|ticket| Command::Redrive {
            ticket,
            queue: name("q"),
            jobs_max: 1,
        })
        .unwrap();
        desk.get("q", 1);
        desk.pass(secs(31));
        assert_eq!(desk.state(id), Some(JobState::Ready), "redriven: anew");
    }

    /// Also if the extension moves nothing.
    #[test]
    fn a_worker_that_was_heard_of_has_used_its_attempt() {
        let mut desk = Desk::new();
        let id = once(&mut desk);
        let lease = lease_of(&desk.get("q", 1)[0]);
        desk.extend(lease, secs(1)).unwrap();
        desk.restart(secs(0));
        desk.pass(secs(31));
        assert_eq!(desk.state(id), Some(JobState::Dead));
    }

    #[test]
    fn the_lease_of_a_session_that_is_lost_is_an_attempt() {
        let mut desk = Desk::new();
        let id = once(&mut desk);
        desk.open_with(1, "q", 1);
        desk.pass(secs(31));
        assert_eq!(desk.state(id), Some(JobState::Dead));
    }

    #[test]
    fn the_lease_of_a_get_keeps_its_remaining_time_over_a_restart() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a")]);
        let grants = desk.get("q", 1);
        desk.pass(secs(20));
        desk.restart(secs(100));
        desk.pass(secs(9));
        assert_eq!(desk.state(ids[0]), Some(JobState::Leased));
        assert_eq!(desk.settle(lease_of(&grants[0]), complete()), Ok(()));
    }

    #[test]
    fn callers_that_wait_are_bounded() {
        let mut desk = Desk::with(EngineConfig {
            waiters_max: 1,
            ..EngineConfig::default()
        });
        let first = desk.wait_get("q", 1);
        let second = desk.wait_get("q", 1);
        let limit = Rejection::LimitReached {
            limit: "limits.waiters",
            max: 1,
        };
        assert_eq!(desk.answer(second), Some(Err(limit)));
        assert_eq!(desk.answer(first), None);
        // One that need not wait is served all the same.
        desk.put("other", vec![job("a")]);
        assert_eq!(desk.get("other", 1).len(), 1);
    }
}
