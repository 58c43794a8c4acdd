//! Read: looks at queues and jobs. Changes nothing.

use crate::command::Read;
use crate::effect::{JobView, QueueView, Reply};
use crate::id::{JobSeq, QueueName, Scope, Ticket};
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
            Read::Job { job, content } => self.job_in_scope(scope, job).map(|known| Reply::Job {
                job: Box::new(self.job_view(&known)),
                content,
            }),
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
            waiting: self.live.waiting(&queue.name),
        }
    }

    fn job_view(&self, known: &Known<'_>) -> JobView {
        let queue = self.state.queues.get(known.group.queue);
        let place = known.job.map(|job| &job.place);
        let lease = known.job.and_then(|job| job.lease());
        let note = self.live.notes.get(&known.seq);
        let session = lease.and_then(|lease| self.live.sessions.get(&lease.session?));
        let worker = match session {
            Some(session) => session.worker.clone(),
            None => note.map(|note| note.worker.clone()).unwrap_or_default(),
        };
        JobView {
            job: known.seq,
            id: self.state.id_of(known.seq, known.group.put_time),
            queue: queue.map_or_else(
                || unreachable!("I1: {:?} is in no queue", known.seq),
                |queue| queue.name.clone(),
            ),
            state: known.state(),
            settings: (*known.group.settings).clone(),
            ready_time: match place {
                Some(Place::Scheduled { ready_time }) => Some(*ready_time),
                Some(Place::Ready | Place::Leased(_) | Place::Ended { .. }) | None => None,
            },
            expire_time: lease.map(|lease| self.expire_time(lease)),
            attempts: known.attempts(),
            error: known.job.map_or("", |job| job.error()).into(),
            worker,
            progress: note.map(|note| note.progress.clone()).unwrap_or_default(),
            size: known.size(),
            cancel_requested: known.job.is_some_and(|job| job.cancel().is_some()),
            outcome: known
                .job
                .and_then(|job| job.outcome())
                .map(|outcome| Box::new(outcome.clone())),
        }
    }
}
