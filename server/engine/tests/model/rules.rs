//! The rules of the reference: what a Put, the end of a job and the end of an
//! attempt do.

use leaseq_engine::command::Put;
use leaseq_engine::effect::{JobResult, Reply};
use leaseq_engine::id::{JobId, JobSeq, QueueName};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::{JobSettings, REQUEST_ID_BYTES};
use leaseq_engine::transition::{End, Outcome, Requeue};

use crate::reference::{Back, Done, Job, Reference, State, Wait, state_of};

impl Reference {
    /// Whether the Put may be done: its repeat, room, or a refusal.
    pub fn may_put(&self, put: &Put, new: bool) -> Result<Option<Reply>, Rejection> {
        if self.draining {
            return Err(Rejection::Draining);
        }
        let done = put.repeatable.and_then(|put| self.done.get(&put.id.0));
        let window = self.config.request_id_window;
        if let Some(done) = done.filter(|done| done.put_time.after(window) > self.now) {
            if put.repeatable.map(|put| put.jobs) != Some(done.jobs) {
                return Err(Rejection::RequestIdReused);
            }
            let ids = (0..done.count as u64)
                .map(|n| JobId::new(JobSeq(done.first + n), done.put_time, self.tag))
                .collect();
            return Ok(Some(Reply::Put {
                ids,
                deduplicated: true,
            }));
        }
        let defaults = &self.config.queue_defaults;
        let settings = self
            .queues
            .get(&put.queue)
            .map_or(defaults, |q| &q.settings);
        let full = |jobs_max| {
            Err(Rejection::QueueFull {
                queue: put.queue.clone(),
                jobs_max,
            })
        };
        if let Some(max) = settings.jobs_max {
            let others = new
                && self
                    .waits
                    .iter()
                    .any(|(_, wait)| matches!(wait, Wait::Put(other) if other.queue == put.queue));
            if others || self.taken(&put.queue) + self.wanted(put, &put.queue) > max {
                return full(max);
            }
        }
        for queue in put.jobs.iter().filter_map(|job| job.reply_to.as_ref()) {
            let of = self.queues.get(queue).map_or(defaults, |q| &q.settings);
            let wanted = self.wanted(put, queue);
            if let Some(jobs_max) = of.jobs_max
                && *queue != put.queue
                && self.taken(queue) + wanted > jobs_max
            {
                let queue = queue.clone();
                return Err(Rejection::ReplyQueueFull { queue, jobs_max });
            }
        }
        Ok(None)
    }

    /// Whether the Put could never fit.
    pub fn never_fits(&self, put: &Put) -> bool {
        let max = self
            .queues
            .get(&put.queue)
            .and_then(|q| q.settings.jobs_max);
        max.is_some_and(|max| self.wanted(put, &put.queue) > max)
    }

    /// The places of a queue that a Put wants: for its jobs and for their outcomes.
    fn wanted(&self, put: &Put, queue: &QueueName) -> u64 {
        let outcomes = put.jobs.iter();
        let outcomes = outcomes.filter(|job| job.reply_to.as_ref() == Some(queue));
        let jobs = if put.queue == *queue {
            put.jobs.len()
        } else {
            0
        };
        (jobs + outcomes.count()) as u64
    }

    /// The places of a queue that are taken: by live jobs and for outcomes still to come.
    pub fn taken(&self, queue: &QueueName) -> u64 {
        let live = self.jobs.values().filter(|job| job.is_live());
        let places = live.map(|job| {
            let outcome = job.settings.reply_to.as_ref() == Some(queue);
            u64::from(job.queue == *queue) + u64::from(outcome)
        });
        places.sum()
    }

    /// Whether a dead job and its outcome fit their queues.
    pub fn may_redrive(&self, seq: JobSeq) -> bool {
        let job = &self.jobs[&seq];
        let put_waits = |queue: &QueueName| {
            let waits = self.waits.iter();
            let mut puts =
                waits.filter(|(_, wait)| matches!(wait, Wait::Put(put) if put.queue == *queue));
            puts.next().is_some()
        };
        let reply_to = job.settings.reply_to.as_ref();
        let own = 1 + u64::from(reply_to == Some(&job.queue));
        let max_of = |queue: &QueueName| {
            let of = self.queues.get(queue);
            of.map_or(&self.config.queue_defaults, |q| &q.settings)
                .jobs_max
        };
        let fits = |queue: &QueueName, more| {
            max_of(queue).is_none_or(|max| self.taken(queue) + more <= max)
        };
        let here = max_of(&job.queue).is_none() || !put_waits(&job.queue);
        let elsewhere = reply_to.is_none_or(|queue| *queue == job.queue || fits(queue, 1));
        here && fits(&job.queue, own) && elsewhere
    }

    pub fn put(&mut self, put: &Put) -> Reply {
        self.create_if_missing(&put.queue);
        for job in &put.jobs {
            if let Some(reply_to) = &job.reply_to {
                self.create_if_missing(reply_to);
            }
        }
        let queue = self.queues[&put.queue].clone();
        let first = self.next_job;
        let mut ids = Vec::new();
        for job in &put.jobs {
            let seq = JobSeq(self.next_job);
            self.next_job += 1;
            let ready_time = job.ready_time.filter(|at| *at > self.now);
            let new = Job {
                queue: put.queue.clone(),
                put_time: self.now,
                settings: JobSettings {
                    priority: job.priority,
                    ready_time,
                    max_attempts: job.max_attempts.unwrap_or(queue.settings.max_attempts),
                    retry: job.retry.unwrap_or(queue.settings.retry),
                    reply_to: job.reply_to.clone(),
                    run_time_max: job.run_time_max,
                    result_retention: job
                        .result_retention
                        .unwrap_or(queue.settings.result_retention),
                },
                size: job.content.size(),
                attempts: 0,
                releases: 0,
                unheard: 0,
                error: String::new(),
                cancel: None,
                outcome: None,
                state: ready_time.map_or(State::Ready, State::Scheduled),
            };
            self.jobs.insert(seq, new);
            ids.push(self.id(seq));
        }
        if let Some(repeatable) = put.repeatable {
            let done = Done {
                jobs: repeatable.jobs,
                first,
                count: put.jobs.len(),
                put_time: self.now,
            };
            self.done.insert(repeatable.id.0, done);
            while self.done.len() > self.config.request_id_bytes_max / REQUEST_ID_BYTES {
                let oldest = self.done.iter().min_by_key(|(_, done)| done.first);
                let oldest = *oldest.unwrap().0;
                self.done.remove(&oldest);
            }
        }
        Reply::Put {
            ids,
            deduplicated: false,
        }
    }

    /// A job ends, wherever it is.
    pub fn end(&mut self, seq: JobSeq, end: End, error: &str, result: &[u8]) {
        let id = self.id(seq);
        let job = self.jobs.get_mut(&seq).unwrap();
        let error = if end == End::Dead && error.is_empty() {
            job.error.clone()
        } else {
            error.to_string()
        };
        let outcome = Outcome {
            job: id,
            queue: job.queue.clone(),
            end,
            error: error.as_str().into(),
            attempts: job.attempts,
        };
        let retention = job.settings.result_retention;
        let until = match end {
            End::Dead => None,
            _ => (!retention.is_zero()).then(|| self.now.after(retention)),
        };
        job.cancel = None;
        if !error.is_empty() || end == End::Cancelled {
            job.error = error;
        }
        job.state = State::Ended { end, until };
        if end == End::Completed {
            job.size = result.len() as u32;
        }
        let reply_to = job.settings.reply_to.clone();
        if end != End::Dead && until.is_none() {
            self.jobs.remove(&seq);
        }
        if let Some(reply_to) = reply_to {
            self.put_outcome(&reply_to, outcome.clone(), result);
        } else {
            assert!(
                !self.outcome_places.contains_key(&id),
                "nobody asked for {id}"
            );
        }
        self.answer_job_waits(seq, &outcome, result);
    }

    pub fn put_outcome(&mut self, reply_to: &QueueName, outcome: Outcome, result: &[u8]) {
        self.create_if_missing(reply_to);
        let place = self
            .outcome_places
            .remove(&outcome.job)
            .expect("an outcome");
        assert!(!self.jobs.contains_key(&place));
        self.next_job = self.next_job.max(place.0 + 1);
        let settings = &self.queues[reply_to].settings;
        let job = Job {
            queue: reply_to.clone(),
            put_time: self.now,
            settings: JobSettings {
                priority: 0,
                ready_time: None,
                max_attempts: settings.max_attempts,
                retry: settings.retry,
                reply_to: None,
                run_time_max: None,
                result_retention: settings.result_retention,
            },
            size: result.len() as u32,
            attempts: 0,
            releases: 0,
            unheard: 0,
            error: String::new(),
            cancel: None,
            outcome: Some(outcome),
            state: State::Ready,
        };
        self.jobs.insert(place, job);
    }

    pub fn answer_job_waits(&mut self, seq: JobSeq, outcome: &Outcome, result: &[u8]) {
        let (answered, left) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition(|(_, wait)| matches!(wait, Wait::Job(job, _) if *job == seq));
        self.waits = left;
        for (ticket, _) in answered {
            let reply = Reply::JobWaited {
                state: state_of(outcome.end),
                outcome: Some(Box::new(outcome.clone())),
                result: if result.is_empty() {
                    JobResult::None
                } else {
                    JobResult::Bytes(bytes::Bytes::copy_from_slice(result))
                },
            };
            self.job_answers.push((ticket, reply));
        }
    }

    /// The attempt of a leased job ends and does not end the job by itself.
    pub fn end_attempt(&mut self, seq: JobSeq, how: Requeue, error: &str, back: Back) {
        let now = self.now;
        let releases_max = self.config.releases_max;
        let job = self.jobs.get_mut(&seq).unwrap();
        assert!(matches!(job.state, State::Leased(_)));
        if let Some(reason) = job.cancel.clone() {
            return self.end(seq, End::Cancelled, &reason, b"");
        }
        let counted = match how {
            Requeue::Failed | Requeue::Expired => true,
            Requeue::Released => job.releases >= releases_max,
            Requeue::Unheard => job.unheard >= 3,
            Requeue::TakenBack | Requeue::Redriven => false,
        };
        let times = job.releases + 1;
        let error = match how {
            Requeue::Released => &format!("its workers released it {times} times in a row"),
            _ => error,
        };
        if counted && job.attempts >= job.settings.max_attempts {
            return self.end(seq, End::Dead, error, b"");
        }
        if !counted {
            job.attempts -= 1;
        }
        match how {
            Requeue::Released => job.releases += 1,
            Requeue::Failed => job.releases = 0,
            Requeue::Unheard => job.unheard += 1,
            _ => {}
        }
        if !error.is_empty() && how != Requeue::Released {
            job.error = error.to_string();
        }
        let given = self.requeued.get(&seq).copied().flatten();
        job.state = match back {
            Back::At(delay) if delay.is_zero() => State::Ready,
            Back::At(delay) => State::Scheduled(now.after(delay)),
            Back::Retry => {
                let policy = job.settings.retry;
                let mut wait = policy.initial_delay;
                for _ in 1..job.attempts {
                    wait = wait * policy.multiplier_percent / 100;
                }
                let wait = wait.min(policy.delay_max);
                let least = wait - wait * policy.jitter_percent / 100;
                let given = given.expect("a retry waits");
                assert!(given >= now.after(least) && given <= now.after(wait));
                State::Scheduled(given)
            }
        };
    }
}
