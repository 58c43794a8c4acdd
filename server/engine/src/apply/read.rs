//! Read: looks at queues and jobs. Changes nothing.

use crate::command::Read;
use crate::effect::{JobView, QueueView, Reply};
use crate::id::{JobId, JobSeq, QueueName, Scope, Ticket};
use crate::rejection::Rejection;
use crate::state::Known;
use crate::state::job::Place;
use crate::state::queue::Queue;
use crate::transition::JobState;
use crate::turn::Turn;

/// All states, in the order of a job's life.
const STATES: [JobState; 6] = [
    JobState::Scheduled,
    JobState::Ready,
    JobState::Leased,
    JobState::Completed,
    JobState::Dead,
    JobState::Cancelled,
];

impl Turn<'_> {
    pub(super) fn read(&mut self, ticket: Ticket, scope: &Scope, read: Read) {
        let reply = match read {
            Read::Queue { queue } => self.read_queue(scope, &queue),
            Read::Queues { after, queues_max } => {
                Ok(self.read_queues(scope, after.as_ref(), queues_max))
            }
            Read::Job { job, content } => self.read_job(scope, job, content),
            Read::Jobs {
                queue,
                state,
                after,
                jobs_max,
            } => self.read_jobs(scope, &queue, state, after, jobs_max),
        };
        self.reply(ticket, reply);
    }

    fn read_queue(&self, scope: &Scope, name: &QueueName) -> Result<Reply, Rejection> {
        if !scope.permits(name) {
            let queue = name.clone();
            return Err(Rejection::QueueNotPermitted { queue });
        }
        self.queue_reply(name)
    }

    fn read_queues(&self, scope: &Scope, after: Option<&QueueName>, max: usize) -> Reply {
        let queues = self.state.queues.by_name_after(after);
        let mut permitted = queues.filter(|queue| scope.permits(&queue.name));
        let page = permitted
            .by_ref()
            .take(max)
            .map(|queue| self.queue_view(queue))
            .collect();
        let more = permitted.next().is_some();
        Reply::Queues { queues: page, more }
    }

    fn read_job(&self, scope: &Scope, id: JobId, content: bool) -> Result<Reply, Rejection> {
        let known = self.job_in_scope(scope, id)?;
        if content && known.content_lost() {
            return Err(Rejection::ContentDamaged { job: id });
        }
        let job = Box::new(self.job_view(&known));
        Ok(Reply::Job { job, content })
    }

    fn read_jobs(
        &self,
        scope: &Scope,
        name: &QueueName,
        state: Option<JobState>,
        after: Option<JobSeq>,
        max: usize,
    ) -> Result<Reply, Rejection> {
        if !scope.permits(name) {
            let queue = name.clone();
            return Err(Rejection::QueueNotPermitted { queue });
        }
        let (queue, _) = self.queue_named(name)?;
        let from = after.map_or(JobSeq(0), |after| after.plus(1));
        let states = state.as_ref().map_or(&STATES[..], std::slice::from_ref);
        let mut found = self
            .state
            .jobs_in(queue, states, from, max.saturating_add(1));
        let more = found.len() > max;
        found.truncate(max);
        let known = found.into_iter().filter_map(|seq| self.state.known(seq));
        let jobs = known.map(|known| self.job_view(&known)).collect();
        Ok(Reply::Jobs { jobs, more })
    }

    pub(super) fn queue_view(&self, queue: &Queue) -> QueueView {
        let oldest = queue.ready.oldest();
        let (waiting, tight) = (
            self.live.waiting(&queue.name),
            self.live.tight.count(&queue.name),
        );
        // With nothing to deliver they wait like the others.
        let delivers = queue.counts.ready > 0 && !queue.paused;
        let held_up = if delivers { tight } else { 0 };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        QueueView {
            name: queue.name.clone(),
            settings: queue.settings.clone(),
            paused: queue.paused,
            revision: queue.revision,
            create_time: queue.create_time,
            counts: queue.counts,
            bytes: queue.bytes,
            oldest_ready: oldest
                .and_then(|seq| self.state.groups.get(seq))
                .map(|group| group.put_time),
            waiting: count(waiting + tight - held_up),
            waiting_for_bytes: count(held_up),
        }
    }

    fn job_view(&self, known: &Known<'_>) -> JobView {
        let queue = self.state.queues.get(known.queue);
        let lease = known.lease();
        let note = self.live.notes.get(&known.seq);
        let session = lease.and_then(|lease| self.live.sessions.get(&lease.session?));
        let worker = match session {
            Some(session) => session.worker.clone(),
            None => note.map(|note| note.worker.clone()).unwrap_or_default(),
        };
        JobView {
            job: known.seq,
            id: self.state.id_of(known.seq, known.put_time),
            queue: queue.map_or_else(
                || unreachable!("I1: {:?} is in no queue", known.seq),
                |queue| queue.name.clone(),
            ),
            state: known.state(),
            settings: (**known.settings).clone(),
            ready_time: match known.job().map(|job| &job.place) {
                Some(Place::Scheduled { ready_time }) => Some(*ready_time),
                Some(Place::Ready | Place::Leased(_)) | None => None,
            },
            expire_time: lease.map(|lease| self.expire_time(lease)),
            attempts: known.attempts(),
            releases: known.releases(),
            error: known.error().into(),
            worker,
            progress: note.map(|note| note.progress.clone()).unwrap_or_default(),
            size: known.size,
            cancel_requested: known.cancel().is_some(),
            outcome: known.outcome().map(|outcome| Box::new(outcome.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::effect::Counts;
    use crate::testing::{Desk, job, lease_of, name, reject, secs};

    fn page(
        desk: &mut Desk,
        state: Option<JobState>,
        after: Option<JobSeq>,
        jobs_max: usize,
    ) -> (Vec<u64>, bool) {
        let queue = name("q");
        let read = Read::Jobs {
            queue,
            state,
            after,
            jobs_max,
        };
        match desk.read(read) {
            Ok(Reply::Jobs { jobs, more }) => (jobs.iter().map(|view| view.job.0).collect(), more),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn jobs_are_listed_in_put_order_whatever_their_state_and_priority() {
        let mut desk = Desk::new();
        let mut jobs = vec![job("a"); 6];
        jobs[1].priority = 7;
        jobs[4].ready_time = Some(desk.now.after(secs(9)));
        desk.put("other", vec![job("x")]);
        desk.put("q", jobs);
        let grants = desk.get("q", 2); // 3, then 2
        desk.settle(lease_of(&grants[0]), reject()).unwrap();
        assert_eq!(
            page(&mut desk, None, None, 10),
            (vec![2, 3, 4, 5, 6, 7], false)
        );
        assert_eq!(page(&mut desk, None, None, 4), (vec![2, 3, 4, 5], true));
        assert_eq!(
            page(&mut desk, None, Some(JobSeq(5)), 4),
            (vec![6, 7], false)
        );
        let of_state = |state| (Some(state), None, 9);
        let cases = [
            (of_state(JobState::Ready), vec![4, 5, 7]),
            (of_state(JobState::Leased), vec![2]),
            (of_state(JobState::Dead), vec![3]),
            (of_state(JobState::Scheduled), vec![6]),
            (of_state(JobState::Completed), vec![]),
        ];
        for ((state, after, max), expected) in cases {
            assert_eq!(
                page(&mut desk, state, after, max),
                (expected, false),
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_queue_shows_what_it_holds_and_who_waits() {
        let mut desk = Desk::new();
        let first = desk.now;
        desk.put("q", vec![job("1234"), job("56")]);
        desk.pass(secs(1));
        desk.put("q", vec![job("789")]);
        let view = desk.queue("q");
        assert_eq!((view.counts.ready, view.bytes, view.waiting), (3, 9, 0));
        assert_eq!(view.oldest_ready, Some(first));
        desk.get("q", 2);
        desk.wait_get("q", 1); // gets the last one
        desk.wait_get("q", 1);
        desk.open_with(1, "q", 1);
        let view = desk.queue("q");
        let leased = Counts {
            leased: 3,
            ..Counts::default()
        };
        assert_eq!((view.counts, view.bytes, view.waiting), (leased, 9, 2));
        assert_eq!(view.oldest_ready, None);
    }

    #[test]
    fn queues_come_by_name_a_page_at_a_time_within_the_scope() {
        let mut desk = Desk::new();
        for queue in ["b", "a2", "c", "a1", "a3"] {
            desk.put(queue, vec![job("x")]);
        }
        let mut list = |after: Option<&str>| {
            let read = Read::Queues {
                after: after.map(name),
                queues_max: 2,
            };
            let scope = Scope::Patterns(["a*".into()].into());
            let reply = desk.ask(|ticket| Command::Read {
                ticket,
                scope,
                read,
            });
            match reply {
                Ok(Reply::Queues { queues, more }) => {
                    let names: Vec<_> = queues.iter().map(|q| q.name.to_string()).collect();
                    (names.join(" "), more)
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(list(None), ("a1 a2".into(), true));
        assert_eq!(list(Some("a2")), ("a3".into(), false));
    }

    #[test]
    fn what_is_out_of_scope_is_refused() {
        let mut desk = Desk::new();
        let ids = desk.put("secret", vec![job("x")]);
        let queue = name("secret");
        let reads = [
            Read::Queue {
                queue: queue.clone(),
            },
            Read::Job {
                job: ids[0],
                content: true,
            },
            Read::Jobs {
                queue: queue.clone(),
                state: None,
                after: None,
                jobs_max: 1,
            },
        ];
        for read in reads {
            let scope = Scope::Patterns(["q".into(), "r*".into()].into());
            let refused = desk.ask(|ticket| Command::Read {
                ticket,
                scope,
                read,
            });
            let queue = queue.clone();
            assert_eq!(refused, Err(Rejection::QueueNotPermitted { queue }));
        }
    }
}
