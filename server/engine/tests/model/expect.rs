//! What a command has to do by itself, before anyone is given what it made
//! possible: changes the reference and says which answers are due.

use leaseq_engine::command::Command;
use leaseq_engine::effect::{JobResult, Reply};
use leaseq_engine::id::{JobId, JobSeq, LeaseRef, QueueName, SessionId, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::QueueSettings;
use leaseq_engine::time::{Duration, Time};
use leaseq_engine::transition::{End, JobState, Outcome, Requeue};

use crate::reference::{Back, Reference, State, Wait, Who};
use crate::runner::Runner;

pub type Answer = Result<Reply, Rejection>;

/// What has to come out.
#[derive(Default)]
pub struct Expected {
    /// The answers; `None`: of any kind.
    pub replies: Vec<(Ticket, Option<Answer>)>,
    /// Sessions to be told of a cancellation, and whether they have to be.
    pub asked: Vec<(SessionId, LeaseRef, bool)>,
    pub expired: Vec<SessionId>,
}

impl Runner {
    pub fn expect(&mut self, command: &Command) -> Expected {
        let mut expected = Expected::default();
        if let Some((ticket, answer)) = self.model.expect(command, &mut expected) {
            expected.replies.push((ticket, answer));
        }
        self.model.sweep_sessions();
        expected
    }
}

impl Reference {
    fn expect(
        &mut self,
        command: &Command,
        expected: &mut Expected,
    ) -> Option<(Ticket, Option<Answer>)> {
        match command {
            Command::Put(put) => self.expect_put(put).map(|a| (put.ticket, Some(a))),
            Command::Get(get) => {
                if self.draining {
                    return Some((get.ticket, Some(Ok(self.nothing()))));
                }
                self.waits.push((get.ticket, Wait::Get(get.clone())));
                None
            }
            Command::Abandon { ticket } => {
                self.waits.retain(|(other, _)| other != ticket);
                None
            }
            Command::TakeBack { leases } => {
                for lease in leases {
                    if self.lease(*lease).is_some() {
                        let how = Requeue::TakenBack;
                        self.end_attempt(lease.job, how, "", Back::At(Duration::ZERO));
                    }
                }
                None
            }
            Command::OpenSession(open) => {
                let answer = self.expect_open(open);
                for seq in self.held(open.session) {
                    if self.jobs[&seq].cancel.is_some() {
                        self.ask(seq, true, expected);
                    }
                }
                Some((open.ticket, Some(answer)))
            }
            Command::SetFlow { session, flow } => {
                self.renew(Some(*session));
                if let Some(session) = self.sessions.get_mut(session) {
                    session.flow = *flow;
                }
                None
            }
            Command::Heartbeat { session } => {
                self.renew(Some(*session));
                None
            }
            Command::DrainSession { session } => {
                self.renew(Some(*session));
                if let Some(session) = self.sessions.get_mut(session) {
                    session.draining = true;
                }
                None
            }
            Command::CloseSession { session } => {
                self.close(*session);
                None
            }
            Command::Settle(settle) => Some((settle.ticket, Some(self.expect_settle(settle)))),
            Command::Extend(extend) => Some((extend.ticket, Some(self.expect_extend(extend)))),
            Command::CancelJob {
                ticket,
                job,
                reason,
                ..
            } => Some((*ticket, Some(self.expect_cancel(*job, reason, expected)))),
            Command::WaitJob {
                ticket, job, until, ..
            } => self
                .expect_wait_job(*ticket, *job, *until)
                .map(|answer| (*ticket, Some(answer))),
            Command::WaitQueue {
                ticket,
                queue,
                settled,
                until,
            } => {
                let now = self.queue_now(queue, *settled);
                let done = matches!(now, Reply::QueueWaited { done: true, .. });
                match until.filter(|until| *until > self.now && !done && !self.draining) {
                    None => Some((*ticket, Some(Ok(now)))),
                    Some(until) => {
                        let wait = Wait::Queue(queue.clone(), *settled, until);
                        self.waits.push((*ticket, wait));
                        None
                    }
                }
            }
            Command::CreateQueue {
                ticket,
                queue,
                settings,
            } => {
                if self.queues.contains_key(queue) {
                    let queue = queue.clone();
                    return Some((*ticket, Some(Err(Rejection::QueueExists { queue }))));
                }
                self.create(queue, settings.clone());
                Some((*ticket, None))
            }
            Command::UpdateQueue {
                ticket,
                queue,
                change,
                ..
            } => {
                let max = change.jobs_max.unwrap();
                let refusal = self.change(queue, |settings, _| settings.jobs_max = max);
                Some((*ticket, refusal.err().map(Err)))
            }
            Command::PauseQueue {
                ticket,
                queue,
                paused,
            } => {
                let refusal = self.change(queue, |_, now| *now = *paused);
                Some((*ticket, refusal.err().map(Err)))
            }
            Command::DeleteQueue { ticket, queue } => {
                Some((*ticket, Some(self.expect_delete(queue))))
            }
            Command::Purge {
                ticket,
                queue,
                states,
                jobs_max,
            } => {
                let answer = self.expect_purge(queue, states, *jobs_max, expected);
                Some((*ticket, Some(answer)))
            }
            Command::Redrive {
                ticket,
                queue,
                jobs_max,
            } => Some((*ticket, Some(self.expect_redrive(queue, *jobs_max)))),
            Command::Drain => {
                self.draining = true;
                for (ticket, wait) in std::mem::take(&mut self.waits) {
                    let answer = self.answer_now(&wait, Rejection::Draining);
                    expected.replies.push((ticket, Some(answer)));
                }
                None
            }
            Command::Tick { .. } => {
                self.expect_tick(expected);
                None
            }
            Command::Stalled { by } => {
                self.stall(*by);
                None
            }
            Command::ClocksRead(reading) => {
                // Nothing else changes: no rule goes by the wall clock.
                self.clocks = Some(*reading);
                None
            }
            other => panic!("not expected here: {other:?}"),
        }
    }

    pub fn nothing(&self) -> Reply {
        Reply::Got {
            grants: Vec::new(),
            expire_time: self.now,
        }
    }

    pub fn by_id(&self, id: JobId) -> Result<JobSeq, Rejection> {
        let found = self.jobs.keys().find(|seq| self.id(**seq) == id);
        found.copied().ok_or(Rejection::JobNotFound { job: id })
    }

    fn expect_cancel(&mut self, id: JobId, reason: &str, expected: &mut Expected) -> Answer {
        let seq = self.by_id(id)?;
        let state = self.jobs[&seq].job_state();
        match state {
            JobState::Scheduled | JobState::Ready => {
                self.end(seq, End::Cancelled, reason, b"");
                Ok(Reply::Cancelled(JobState::Cancelled))
            }
            JobState::Leased => {
                self.ask(seq, true, expected);
                let job = self.jobs.get_mut(&seq).unwrap();
                job.cancel.get_or_insert(reason.to_string());
                Ok(Reply::Cancelled(JobState::Leased))
            }
            _ => Err(Rejection::JobEnded { job: id, state }),
        }
    }

    pub fn ask(&self, seq: JobSeq, must: bool, expected: &mut Expected) {
        if let State::Leased(lease) = &self.jobs[&seq].state
            && let Who::Session(session) = lease.who
            && !self.sessions[&session].gone
        {
            let lease = LeaseRef {
                job: seq,
                lease: leaseq_engine::id::LeaseNumber(lease.number),
            };
            expected.asked.push((session, lease, must));
        }
    }

    fn job_now(&self, seq: JobSeq) -> Reply {
        let job = &self.jobs[&seq];
        let end = match job.state {
            State::Ended { end, .. } => Some(end),
            _ => None,
        };
        let completed = end == Some(End::Completed);
        Reply::JobWaited {
            state: job.job_state(),
            outcome: end.map(|end| {
                Box::new(Outcome {
                    job: self.id(seq),
                    queue: job.queue.clone(),
                    end,
                    error: if completed { "" } else { job.error.as_str() }.into(),
                    attempts: job.attempts,
                })
            }),
            result: if completed && job.size > 0 {
                JobResult::Stored(seq)
            } else {
                JobResult::None
            },
        }
    }

    pub fn queue_now(&self, queue: &QueueName, settled: bool) -> Reply {
        let counts = self.counts(queue);
        let waiting = counts.scheduled + counts.ready;
        let done = waiting == 0 && (!settled || counts.leased == 0);
        Reply::QueueWaited { done, counts }
    }

    fn expect_wait_job(
        &mut self,
        ticket: Ticket,
        id: JobId,
        until: Option<Time>,
    ) -> Option<Answer> {
        let seq = match self.by_id(id) {
            Ok(seq) => seq,
            Err(rejection) => return Some(Err(rejection)),
        };
        match until.filter(|until| *until > self.now && !self.draining) {
            Some(until) if self.jobs[&seq].is_live() => {
                self.waits.push((ticket, Wait::Job(seq, until)));
                None
            }
            _ => Some(Ok(self.job_now(seq))),
        }
    }

    fn change(
        &mut self,
        name: &QueueName,
        change: impl FnOnce(&mut QueueSettings, &mut bool),
    ) -> Result<(), Rejection> {
        let Some(queue) = self.queues.get_mut(name) else {
            let queue = name.clone();
            return Err(Rejection::QueueNotFound { queue });
        };
        let before = (queue.settings.clone(), queue.paused);
        change(&mut queue.settings, &mut queue.paused);
        if before != (queue.settings.clone(), queue.paused) {
            queue.revision += 1;
        }
        Ok(())
    }

    fn expect_delete(&mut self, name: &QueueName) -> Answer {
        let jobs = self.counts(name).total();
        let queue = name.clone();
        if !self.queues.contains_key(name) {
            return Err(Rejection::QueueNotFound { queue });
        }
        if jobs > 0 {
            return Err(Rejection::QueueNotEmpty { queue, jobs });
        }
        self.queues.remove(name);
        Ok(Reply::Count(0))
    }

    fn chosen(&self, queue: &QueueName, states: &[JobState], max: usize) -> Vec<JobSeq> {
        let of_queue = self.jobs.iter().filter(|(_, job)| job.queue == *queue);
        let chosen = of_queue.filter(|(_, job)| states.contains(&job.job_state()));
        chosen.map(|(seq, _)| *seq).take(max).collect()
    }

    fn expect_purge(
        &mut self,
        queue: &QueueName,
        states: &[JobState],
        max: usize,
        expected: &mut Expected,
    ) -> Answer {
        if !self.queues.contains_key(queue) {
            let queue = queue.clone();
            return Err(Rejection::QueueNotFound { queue });
        }
        let chosen = self.chosen(queue, states, max);
        for seq in &chosen {
            if self.jobs[seq].is_live() {
                self.ask(*seq, true, expected);
                self.end(*seq, End::Cancelled, "purged", b"");
            } else {
                self.jobs.remove(seq);
            }
        }
        Ok(Reply::Count(chosen.len() as u64))
    }

    fn expect_redrive(&mut self, queue: &QueueName, max: usize) -> Answer {
        if !self.queues.contains_key(queue) {
            let queue = queue.clone();
            return Err(Rejection::QueueNotFound { queue });
        }
        let chosen = self.chosen(queue, &[JobState::Dead], max);
        let mut redriven = 0;
        for seq in &chosen {
            if !self.may_redrive(*seq) {
                break;
            }
            redriven += 1;
            let job = self.jobs.get_mut(seq).unwrap();
            job.attempts = 0;
            (job.releases, job.unheard) = (0, 0);
            job.state = State::Ready;
        }
        Ok(Reply::Count(redriven))
    }

    fn answer_now(&self, wait: &Wait, why_not_put: Rejection) -> Answer {
        match wait {
            Wait::Get(_) => Ok(self.nothing()),
            Wait::Put(_) => Err(why_not_put),
            Wait::Job(seq, _) => Ok(self.job_now(*seq)),
            Wait::Queue(queue, settled, _) => Ok(self.queue_now(queue, *settled)),
        }
    }
}
