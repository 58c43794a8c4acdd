//! What each command does: one file per verb.

mod abandon;
mod cancel_job;
mod close_session;
mod content_lost;
mod create_queue;
mod delete_queue;
mod drain;
mod drain_session;
mod extend;
mod get;
mod open_session;
mod pause_queue;
mod purge;
mod put;
mod read;
mod redrive;
mod restate_jobs;
mod restate_ledger;
mod set_flow;
mod settle;
mod stalled;
mod take_back;
mod tick;
mod update_queue;
mod wait_job;
mod wait_queue;

use std::collections::{BTreeSet, VecDeque};

use crate::command::Command;
use crate::deadlines::Deadline;
use crate::effect::Reply;
use crate::id::{JobId, QueueId, QueueName, Scope, Ticket};
use crate::live::wait::{Wait, Waiting};
use crate::rejection::Rejection;
use crate::settings::EngineConfig;
use crate::state::Known;
use crate::state::queue::Queue;
use crate::time::{LeaseTime, Time};
use crate::turn::Turn;

impl Turn<'_> {
    /// Decides the command.
    pub(crate) fn decide(&mut self, command: Command) {
        if self.refused_for_room(&command) {
            return;
        }
        match command {
            Command::Put(put) => self.put(put),
            Command::Get(get) => self.get(get),
            Command::Abandon { ticket } => self.abandon(ticket),
            Command::TakeBack { leases } => self.take_back(leases),
            Command::OpenSession(open) => self.open_session(open),
            Command::SetFlow { session, flow } => self.set_flow(session, flow),
            Command::Heartbeat { session } => self.renew(session),
            Command::DrainSession { session } => self.drain_session(session),
            Command::CloseSession { session } => self.close_session(session),
            Command::Settle(settle) => self.settle(settle),
            Command::Extend(extend) => self.extend(extend),
            Command::CancelJob {
                ticket,
                scope,
                job,
                reason,
            } => self.cancel_job(ticket, &scope, job, reason),
            Command::WaitJob {
                ticket,
                scope,
                job,
                until,
            } => self.wait_job(ticket, &scope, job, until),
            Command::WaitQueue {
                ticket,
                queue,
                settled,
                until,
            } => self.wait_queue(ticket, &queue, settled, until),
            Command::CreateQueue {
                ticket,
                queue,
                settings,
            } => self.create_queue_asked(ticket, &queue, settings),
            Command::UpdateQueue {
                ticket,
                queue,
                change,
                revision,
            } => self.update_queue(ticket, &queue, change, revision),
            Command::PauseQueue {
                ticket,
                queue,
                paused,
            } => self.pause_queue(ticket, &queue, paused),
            Command::DeleteQueue { ticket, queue } => self.delete_queue(ticket, &queue),
            Command::Purge {
                ticket,
                queue,
                states,
                jobs_max,
            } => self.purge(ticket, &queue, &states, jobs_max),
            Command::Redrive {
                ticket,
                queue,
                jobs_max,
            } => self.redrive(ticket, &queue, jobs_max),
            Command::Read {
                ticket,
                scope,
                read,
            } => self.read(ticket, &scope, read),
            Command::Drain => self.drain(),
            Command::Tick { random: _ } => self.tick(),
            Command::Stalled { by } => self.stalled(by),
            Command::ClocksRead(reading) => self.emit(reading.into()),
            Command::ContentLost {
                job,
                error,
                unless_leased,
            } => self.content_lost(job, error, unless_leased),
            Command::RestateJobs { jobs } => self.restate_jobs(jobs),
            Command::RestateLedger { from, puts_before } => self.restate_ledger(from, puts_before),
        }
    }

    /// The queue of this name.
    fn queue_named(&self, name: &QueueName) -> Result<(QueueId, &Queue), Rejection> {
        self.state.queues.named(name).ok_or_else(|| {
            let queue = name.clone();
            Rejection::QueueNotFound { queue }
        })
    }

    /// The job of this id, if the caller may touch its queue.
    fn job_in_scope(&self, scope: &Scope, id: JobId) -> Result<Known<'_>, Rejection> {
        let not_found = Rejection::JobNotFound { job: id };
        let known = self.state.known_by_id(id).ok_or(not_found)?;
        self.permit(scope, known.queue)?;
        Ok(known)
    }

    /// Whether the caller may touch the queue.
    fn permit(&self, scope: &Scope, queue: QueueId) -> Result<(), Rejection> {
        match self.state.queues.get(queue) {
            Some(queue) if !scope.permits(&queue.name) => Err(Rejection::QueueNotPermitted {
                queue: queue.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether one more caller may wait.
    fn room_to_wait(&self) -> Result<(), Rejection> {
        if self.live.waits.len() < self.config.waiters_max {
            return Ok(());
        }
        Err(limit_reached("limits.waiters", self.config.waiters_max))
    }

    /// The moment until which the caller waits, if it waits at all.
    fn waits_until(&self, until: Option<Time>) -> Option<LeaseTime> {
        until
            .filter(|until| *until > self.now && !self.live.draining)
            .map(|until| self.state.lease_clock.lease_time(until))
    }

    /// Lets a caller wait. It is answered by what it waits for, by time, by a
    /// drain, or not at all if it goes away.
    fn wait(&mut self, ticket: Ticket, until: LeaseTime, what: Waiting) {
        self.live.deadlines.insert(until, Deadline::Wait(ticket));
        self.live.waits.insert(ticket, Wait { until, what });
    }

    /// Answers callers that waited for the same. Beyond a bound the answers are owed, and
    /// the next Tick gives them.
    pub(crate) fn answer_all(&mut self, tickets: BTreeSet<Ticket>, reply: Reply) {
        let left = due_max(self.config).saturating_sub(self.answered);
        let mut tickets = tickets.into_iter();
        for ticket in tickets.by_ref().take(left) {
            self.answered += 1;
            self.answer_waiting(ticket, reply.clone());
        }
        let later: VecDeque<_> = tickets.collect();
        if !later.is_empty() {
            self.live.waits.owe(later, reply);
        }
    }

    /// Gives up to `max` owed answers and returns how many.
    fn give_owed_answers(&mut self, max: usize) -> usize {
        for given in 0..max {
            let Some((ticket, reply)) = self.live.waits.pop_owed() else {
                return given;
            };
            self.answer_waiting(ticket, reply);
        }
        max
    }

    /// Answers a caller, unless it went away or its wait was over before.
    fn answer_waiting(&mut self, ticket: Ticket, reply: Reply) {
        self.out.steps += 1;
        if self.stop_waiting(ticket).is_some() {
            self.reply(ticket, Ok(reply));
        }
    }
}

/// How many due deadlines, leases of one session, or waiting callers one command deals
/// with. The rest follows with the next Tick.
pub(crate) fn due_max(config: &EngineConfig) -> usize {
    (config.step_max / 8).max(2)
}

/// The limit with this configuration key is reached.
fn limit_reached(limit: &'static str, max: usize) -> Rejection {
    Rejection::LimitReached {
        limit,
        max: u64::try_from(max).unwrap_or(u64::MAX),
    }
}
