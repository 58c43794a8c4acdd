//! How attempts and jobs end: what becomes of the job, who is told, and what of it
//! is kept. Every verb that ends something comes through here.

use bytes::Bytes;

use crate::command::NewJob;
use crate::effect::{Effect, JobResult, Reply};
use crate::id::{JobSeq, LeaseRef, QueueId, QueueName};
use crate::settings::{JobSettings, QueueSettings, UNHEARD_MAX};
use crate::state::job::{Lease, state_of_end};
use crate::time::Time;
use crate::transition::{Content, End, Outcome, Requeue, Transition, VerdictKind};
use crate::turn::Turn;

/// How a job ends.
pub(crate) struct Ending {
    pub(crate) end: End,
    /// The verdict that ends it, if one does.
    pub(crate) verdict: Option<VerdictKind>,
    pub(crate) error: Box<str>,
    pub(crate) result: Bytes,
}

/// How an attempt ends without the job being done.
pub(crate) struct Attempt {
    pub(crate) how: Requeue,
    pub(crate) error: Box<str>,
    /// Not ready before this.
    pub(crate) ready_time: Option<Time>,
}

impl Turn<'_> {
    /// Completes a leased job: the short way if nothing of it is kept and nobody
    /// is to be told.
    pub(crate) fn complete_with(&mut self, lease: LeaseRef, result: Bytes) {
        let group = self.state.groups.get(lease.job);
        let short = group.is_some_and(|group| is_forgotten(&group.settings));
        if short && !self.live.waits.any_for_job(lease.job) {
            self.complete(lease);
            return;
        }
        let ending = Ending {
            end: End::Completed,
            verdict: Some(VerdictKind::Complete),
            error: Box::default(),
            result,
        };
        self.end_job(lease.job, ending);
    }

    /// Ends a job, wherever it is.
    pub(crate) fn end_job(&mut self, seq: JobSeq, mut ending: Ending) {
        let Some(known) = self.state.known(seq) else {
            return;
        };
        if ending.end == End::Dead && ending.error.is_empty() {
            ending.error = known.error().into();
        }
        let lease = known.lease().copied();
        let (size, queue) = (known.size, known.queue);
        let settings = std::sync::Arc::clone(known.settings);
        let outcome = self.outcome(seq, &ending);
        let retention = settings.result_retention;
        let retain_until = match ending.end {
            End::Dead => None,
            End::Completed | End::Cancelled => {
                (!retention.is_zero()).then(|| self.now.after(retention))
            }
        };
        let kept = ending.end == End::Completed && retain_until.is_some();
        let result = if kept {
            ending.result.clone()
        } else {
            Bytes::new()
        };
        self.emit(Transition::JobEnded {
            job: seq,
            lease: lease.map(|lease| lease.number),
            verdict: ending.verdict,
            end: ending.end,
            error: ending.error,
            retain_until,
            result_size: u32::try_from(result.len()).unwrap_or(u32::MAX),
            result,
        });
        if let Some(lease) = lease {
            self.let_go(seq, &lease, size);
        }
        if let (Some(reply_to), Some(outcome)) = (&settings.reply_to, &outcome) {
            self.put_outcome(reply_to, outcome.clone(), ending.result.clone());
        }
        self.answer_job_waits(seq, ending.end, outcome, ending.result);
        self.touch(queue);
    }

    fn outcome(&self, seq: JobSeq, ending: &Ending) -> Option<Outcome> {
        let known = self.state.known(seq)?;
        Some(Outcome {
            job: self.state.id_of(seq, known.put_time),
            queue: self.state.queues.get(known.queue)?.name.clone(),
            end: ending.end,
            error: ending.error.clone(),
            attempts: known.attempts(),
        })
    }

    /// Puts the outcome job in the same commit. Its room was kept since the job was put:
    /// the end of a job cannot wait for room.
    fn put_outcome(&mut self, reply_to: &QueueName, outcome: Outcome, result: Bytes) {
        let queue = match self.state.queues.named(reply_to) {
            Some((id, _)) => id,
            None => self.create_queue(reply_to, self.config.queue_defaults.clone()),
        };
        let Some(of) = self.state.queues.get(queue) else {
            return;
        };
        let content = Content {
            headers: Bytes::new(),
            payload: result,
        };
        let plain = NewJob::plain(Content::default());
        let settings = job_settings(&plain, &of.settings, self.now);
        self.emit(Transition::OutcomeAdded {
            job: self.state.next_job,
            queue,
            put_time: self.now,
            settings,
            outcome,
            size: content.size(),
            content,
        });
        self.touch(queue);
    }

    fn answer_job_waits(&mut self, seq: JobSeq, end: End, outcome: Option<Outcome>, result: Bytes) {
        if !self.live.waits.any_for_job(seq) {
            return;
        }
        let result = if result.is_empty() {
            JobResult::None
        } else {
            JobResult::Bytes(result)
        };
        let reply = Reply::JobWaited {
            state: state_of_end(end),
            outcome: outcome.map(Box::new),
            result,
        };
        let tickets = self.live.waits.take_for_job(seq);
        self.answer_all(tickets, reply);
    }

    /// Ends the present attempt of a leased job: it comes back, is dead, or, if
    /// that was asked, is cancelled.
    pub(crate) fn end_attempt(&mut self, seq: JobSeq, lease: Lease, attempt: Attempt) {
        let Some(known) = self.state.known(seq) else {
            return;
        };
        let verdict = match attempt.how {
            Requeue::Failed => Some(VerdictKind::Fail),
            Requeue::Released => Some(VerdictKind::Release),
            Requeue::TakenBack | Requeue::Expired | Requeue::Unheard | Requeue::Redriven => None,
        };
        if let Some(reason) = known.cancel() {
            let error = reason.into();
            self.end_job(seq, Ending::new(End::Cancelled, verdict, error));
            return;
        }
        let counted = match attempt.how {
            Requeue::Failed | Requeue::Expired => true,
            Requeue::Released => known.releases() >= self.config.releases_max,
            Requeue::Unheard => known.unheard() >= UNHEARD_MAX,
            Requeue::TakenBack | Requeue::Redriven => false,
        };
        let attempts = known.attempts();
        if counted && attempts >= known.settings.max_attempts {
            let error = match attempt.how {
                Requeue::Released => released_too_often(known.releases()),
                Requeue::Failed
                | Requeue::Expired
                | Requeue::Unheard
                | Requeue::TakenBack
                | Requeue::Redriven => attempt.error,
            };
            self.end_job(seq, Ending::new(End::Dead, verdict, error));
            return;
        }
        let (size, queue) = (known.size, known.queue);
        self.emit(Transition::JobRequeued {
            job: seq,
            lease: Some(lease.number),
            how: attempt.how,
            attempts: attempts - u32::from(!counted),
            ready_time: attempt.ready_time,
            error: attempt.error,
        });
        self.let_go(seq, &lease, size);
        self.touch(queue);
    }

    /// The leases of these jobs end by themselves. Jobs that are not leased are passed over.
    pub(crate) fn expire_all(&mut self, jobs: &[JobSeq], error: &str) {
        let attempt = |how| Attempt {
            how,
            error: error.into(),
            ready_time: None,
        };
        let (mut back, mut unheard) = (Vec::new(), Vec::new());
        for seq in jobs {
            let Some(known) = self.state.known(*seq) else {
                continue;
            };
            let Some(lease) = known.lease().copied() else {
                continue;
            };
            let job = (*seq, lease, known.size, known.queue);
            let is_last = known.attempts() >= known.settings.max_attempts;
            let is_free = known.unheard() < UNHEARD_MAX;
            match (lease.is_unheard(), known.cancel().is_some()) {
                (true, false) if is_free => unheard.push(job),
                (false, false) if !is_last => back.push(job),
                (true, _) => self.end_attempt(*seq, lease, attempt(Requeue::Unheard)),
                (false, _) => self.end_attempt(*seq, lease, attempt(Requeue::Expired)),
            }
        }
        self.requeue_all(back, attempt(Requeue::Expired), true);
        self.requeue_all(unheard, attempt(Requeue::Unheard), false);
    }

    /// Makes jobs ready again whose attempts ended for the same cause: one transition for
    /// all of them.
    pub(crate) fn requeue_all(
        &mut self,
        jobs: Vec<(JobSeq, Lease, u32, QueueId)>,
        attempt: Attempt,
        charged: bool,
    ) {
        if jobs.is_empty() {
            return;
        }
        let lease_of = |(job, lease, ..): &(JobSeq, Lease, u32, QueueId)| LeaseRef {
            job: *job,
            lease: lease.number,
        };
        self.emit(Transition::JobsRequeued {
            leases: jobs.iter().map(lease_of).collect(),
            how: attempt.how,
            charged,
            error: attempt.error,
        });
        for (seq, lease, size, queue) in jobs {
            self.let_go(seq, &lease, size);
            self.touch(queue);
        }
    }

    /// Tells the session that holds the job, if one does, to stop working on it.
    pub(crate) fn ask_cancel(&mut self, seq: JobSeq, lease: &Lease) {
        let Some(id) = lease.session else { return };
        if self.live.sessions.get(&id).is_some_and(|s| s.is_open()) {
            let lease = LeaseRef {
                job: seq,
                lease: lease.number,
            };
            self.out.effects.push(Effect::AskCancel {
                session: id,
                leases: vec![lease],
            });
        }
    }

    /// Creates a queue and returns its number.
    pub(crate) fn create_queue(&mut self, name: &QueueName, settings: QueueSettings) -> QueueId {
        let queue = self.state.next_queue;
        self.emit(Transition::QueueSet {
            queue,
            name: name.clone(),
            settings,
            paused: false,
            revision: 1,
            create_time: self.now,
        });
        self.touch(queue);
        queue
    }
}

impl Ending {
    /// An end without a result.
    pub(crate) fn new(end: End, verdict: Option<VerdictKind>, error: Box<str>) -> Self {
        Self {
            end,
            verdict,
            error,
            result: Bytes::new(),
        }
    }
}

fn released_too_often(before: u32) -> Box<str> {
    let times = u64::from(before) + 1;
    format!("its workers released it {times} times in a row").into()
}

/// Whether nothing is left of such a job when it is completed, and nobody is told.
pub(crate) fn is_forgotten(settings: &JobSettings) -> bool {
    settings.reply_to.is_none() && settings.result_retention.is_zero()
}

/// What a job is told: what the Put says, and what the queue says where it does not.
pub(crate) fn job_settings(job: &NewJob, queue: &QueueSettings, now: Time) -> JobSettings {
    JobSettings {
        priority: job.priority,
        ready_time: job.ready_time.filter(|at| *at > now),
        max_attempts: job.max_attempts.unwrap_or(queue.max_attempts).max(1),
        retry: job.retry.unwrap_or(queue.retry),
        reply_to: job.reply_to.clone(),
        run_time_max: job.run_time_max,
        result_retention: job.result_retention.unwrap_or(queue.result_retention),
    }
}
