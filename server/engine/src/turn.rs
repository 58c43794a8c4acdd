//! One command being applied: what it may read and change, what it has emitted so
//! far, and what that leaves to be done. Each verb adds its method in `apply/<verb>.rs`.

use crate::effect::{Effect, Reply};
use crate::engine::Output;
use crate::id::{JobSeq, LeaseRef, QueueId, SessionId, Ticket};
use crate::live::Live;
use crate::live::session::Standing;
use crate::pending::PendingWork;
use crate::rejection::Rejection;
use crate::settings::EngineConfig;
use crate::state::State;
use crate::state::evolve::Unknown;
use crate::state::job::Lease;
use crate::time::{LeaseTime, Time};
use crate::transition::Transition;

/// One command being applied.
pub(crate) struct Turn<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a EngineConfig,
    pub(crate) state: &'a mut State,
    pub(crate) live: &'a mut Live,
    pub(crate) out: &'a mut Output,
    /// Completions that have happened and are not written yet: many become one
    /// transition. Every other transition writes them first.
    completed: Vec<LeaseRef>,
    /// What this command and the ones before it leave to be done.
    pending: PendingWork,
    /// How many callers this command has answered beside its own.
    pub(crate) answered: usize,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        now: Time,
        config: &'a EngineConfig,
        state: &'a mut State,
        live: &'a mut Live,
        out: &'a mut Output,
    ) -> Self {
        Self {
            now,
            config,
            state,
            live,
            out,
            completed: Vec::new(),
            pending: PendingWork::default(),
            answered: 0,
        }
    }

    /// Goes on with the work that earlier commands have left.
    pub(crate) fn with(mut self, pending: PendingWork) -> Self {
        self.pending = pending;
        self
    }

    /// Ends the command and leaves its work for later.
    pub(crate) fn leave(mut self) -> PendingWork {
        self.write_completed();
        self.pending
    }

    /// Makes a transition true and hands it to the store.
    pub(crate) fn emit(&mut self, transition: Transition) {
        self.emit_held_by(None, transition);
    }

    /// The same for one that grants leases, to this session if it is one.
    pub(crate) fn emit_held_by(&mut self, session: Option<SessionId>, transition: Transition) {
        self.write_completed();
        let evolved = self
            .state
            .evolve(&transition, session, Unknown::Contradiction);
        if let Err(error) = evolved {
            // Memory and journal would disagree from here on: better no engine. The
            // transition itself is not shown: it may hold what users put.
            panic!("a bug: a decision contradicts the state: {error}");
        }
        self.out.steps += transition.job_count();
        self.out.add(transition);
    }

    /// Hands the store what is true already.
    pub(crate) fn emit_again(&mut self, transition: Transition) {
        self.write_completed();
        self.out.steps += transition.job_count();
        self.out.add(transition);
    }

    /// Completes a job of which nothing is kept and nobody has to be told. False:
    /// its lease does not stand.
    pub(crate) fn complete(&mut self, lease: LeaseRef) -> bool {
        let Some(completed) = self.state.complete(lease) else {
            return false;
        };
        self.completed.push(lease);
        self.let_go(lease.job, &completed.lease, completed.size);
        self.touch(completed.queue);
        true
    }

    fn write_completed(&mut self) {
        if self.completed.is_empty() {
            return;
        }
        let leases = std::mem::take(&mut self.completed);
        self.out.steps += leases.len();
        self.out.add(Transition::JobsCompleted { leases });
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Result<Reply, Rejection>) {
        self.out.effects.push(Effect::Reply { ticket, reply });
    }

    /// The queue has changed: someone may be waiting for that.
    pub(crate) fn touch(&mut self, queue: QueueId) {
        self.pending.queues.add(queue);
    }

    /// The session may be able to take more.
    pub(crate) fn freed(&mut self, session: SessionId) {
        self.pending.sessions.add(session);
    }

    /// Now in lease time.
    pub(crate) fn lease_now(&self) -> LeaseTime {
        self.state.lease_clock.lease_time(self.now)
    }

    /// A sign of life.
    pub(crate) fn renew(&mut self, session: SessionId) {
        let alive = self.live.sessions.get(&session);
        if let Some(duration) = alive.filter(|s| s.is_open()).map(|s| s.lease_duration) {
            let at = self.lease_now().after(duration);
            self.live.expire_session_at(session, at);
        }
    }

    /// A lease has ended: whoever held it holds it no more.
    pub(crate) fn let_go(&mut self, job: JobSeq, lease: &Lease, size: u32) {
        if !self.live.notes.is_empty() {
            self.live.notes.remove(&job);
        }
        let Some(id) = lease.session else { return };
        let Some(session) = self.live.sessions.get_mut(&id) else {
            return;
        };
        session.let_go(job, size);
        if session.standing == Standing::Gone && session.held.is_empty() {
            self.live.forget_session(id);
        } else {
            self.freed(id);
        }
    }

    /// Does the pending work: gives room to waiting Puts, jobs to waiting workers, and
    /// answers to callers that wait for an end. One may make another possible, so it goes
    /// on until nothing is left, or until `step_max` steps are done. Returns the rest,
    /// which the next Tick goes on with.
    pub(crate) fn finish(mut self) -> PendingWork {
        self.write_completed();
        let end = self.out.steps.saturating_add(self.config.step_max.max(1));
        while self.out.steps < end {
            if !self.pending.sessions.is_empty() {
                let room = end - self.out.steps;
                for session in self.pending.sessions.take_first(room) {
                    self.stand_in_line(session);
                }
                continue;
            }
            let Some(queue) = self.pending.queues.pop() else {
                break;
            };
            self.admit_blocked_puts(queue, end);
            self.match_queue(queue, end);
            self.answer_queue_waits(queue);
            if self.out.steps >= end {
                self.pending.queues.add_last(queue);
            }
        }
        self.write_completed();
        self.state.jobs.give_memory_back();
        self.pending
    }

    /// Puts a session with room back in its lines. Those where it did not stand before
    /// may have jobs for it.
    fn stand_in_line(&mut self, id: SessionId) {
        let stood = self.live.stand_session(id, None);
        self.out.steps += 1 + stood.len();
        // `finish` takes the last one first.
        for name in stood.iter().rev() {
            let Some((queue, of)) = self.state.queues.named(name) else {
                continue;
            };
            if of.counts.ready > 0 && !of.paused {
                self.pending.queues.add_next(queue);
            }
        }
    }
}
