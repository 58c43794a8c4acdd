//! Redrive: dead jobs are ready again, the oldest first, with all their attempts, as many
//! as their queue has room for. Jobs whose content is lost stay dead.

use crate::effect::Reply;
use crate::id::{JobSeq, QueueId, QueueName, Ticket};
use crate::transition::{Requeue, Transition};
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn redrive(&mut self, ticket: Ticket, name: &QueueName, jobs_max: usize) {
        let queue = self.queue_named(name).map(|(id, _)| id);
        let reply = queue.map(|queue| {
            let jobs = self.state.redrivable(queue, jobs_max);
            let mut count = 0;
            for job in jobs {
                if !self.may_live_again(queue, job) {
                    break;
                }
                count += 1;
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
            Reply::Count(count)
        });
        self.reply(ticket, reply);
    }

    /// Whether a dead job fits its queue, and its outcome the queue that gets it. Puts that
    /// wait for room come first.
    fn may_live_again(&self, id: QueueId, job: JobSeq) -> bool {
        let (Some(queue), Some(known)) = (self.state.queues.get(id), self.state.known(job)) else {
            return false;
        };
        let reply_to = known.settings.reply_to.as_ref();
        let replies_here = reply_to == Some(&queue.name);
        let wanted = 1 + u64::from(replies_here);
        let others_wait = self.live.waits.first_blocked(id).is_some();
        let room = self.state.room(queue);
        let fits = room.is_none_or(|room| !others_wait && wanted <= room);
        fits && reply_to.is_none_or(|name| replies_here || self.outcome_fits(name, 1).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, SettingsChange};
    use crate::effect::Reply;
    use crate::testing::{Desk, complete, job, lease_of, name, reject, release, secs};
    use crate::transition::JobState;

    #[test]
    fn dead_jobs_get_all_their_attempts_again_the_oldest_first() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b"), job("c")]);
        for grant in desk.get("q", 2) {
            desk.settle(lease_of(&grant), reject()).unwrap();
        }
        let redriven = desk.ask(|ticket| Command::Redrive {
            ticket,
            queue: name("q"),
            jobs_max: 1,
        });
        assert_eq!(redriven, Ok(Reply::Count(1)));
        let grants = desk.get("q", 3);
        let got: Vec<_> = grants.iter().map(|g| (g.id, g.attempt)).collect();
        assert_eq!(got, [(ids[0], 1), (ids[2], 1)]);
    }

    #[test]
    fn no_more_jobs_live_again_than_the_queue_has_room_for() {
        let mut desk = Desk::new();
        let mut told = job("told");
        told.reply_to = Some(name("replies"));
        desk.put("q", vec![told.clone(), told, job("c"), job("d")]);
        for grant in desk.get("q", 4) {
            desk.settle(lease_of(&grant), reject()).unwrap();
        }
        let bound = |desk: &mut Desk, queue: &str, max: Option<u64>| {
            let change = SettingsChange {
                jobs_max: Some(max),
                ..SettingsChange::default()
            };
            desk.ask(|ticket| Command::UpdateQueue {
                ticket,
                queue: name(queue),
                change,
                revision: None,
            })
            .unwrap();
        };
        let redrive = |desk: &mut Desk| {
            desk.ask(|ticket| Command::Redrive {
                ticket,
                queue: name("q"),
                jobs_max: 10,
            })
        };
        bound(&mut desk, "replies", Some(3));
        bound(&mut desk, "q", Some(3));
        assert_eq!(
            redrive(&mut desk),
            Ok(Reply::Count(1)),
            "room for one outcome"
        );
        bound(&mut desk, "replies", None);
        assert_eq!(
            redrive(&mut desk),
            Ok(Reply::Count(2)),
            "room for three jobs"
        );
        assert_eq!(redrive(&mut desk), Ok(Reply::Count(0)));
        let counts = desk.counts("q");
        assert_eq!((counts.ready, counts.dead), (3, 1));
    }

    #[test]
    fn a_dead_job_lives_again_whether_or_not_those_put_with_it_do() {
        for (others_end, restarts) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut desk = Desk::new();
            let ids = desk.put("q", vec![job("a"), job("bb"), job("c")]);
            let leases: Vec<_> = desk.get("q", 3).iter().map(lease_of).collect();
            desk.settle(leases[1], reject()).unwrap();
            for lease in [leases[0], leases[2]] {
                let verdict = if others_end { complete() } else { release() };
                desk.settle(lease, verdict).unwrap();
            }
            if restarts {
                desk.restart(secs(1));
            }
            let dead = desk.job(ids[1]).unwrap();
            assert_eq!((dead.state, &*dead.error), (JobState::Dead, "never"));
            let redriven = desk.ask(|ticket| Command::Redrive {
                ticket,
                queue: name("q"),
                jobs_max: 1,
            });
            assert_eq!(redriven, Ok(Reply::Count(1)));
            let view = desk.job(ids[1]).unwrap();
            assert_eq!(view.state, JobState::Ready);
            assert_eq!((view.size, &*view.error), (2, "never"));
            assert_eq!(desk.queue("q").bytes, if others_end { 2 } else { 4 });
            let got = desk.get("q", 3);
            assert_eq!(got.len(), if others_end { 1 } else { 3 });
            for grant in &got {
                desk.settle(lease_of(grant), complete()).unwrap();
            }
            assert_eq!(desk.counts("q").total(), 0);
        }
    }
}
