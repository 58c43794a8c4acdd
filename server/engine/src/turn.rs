//! One command being applied: what it may read and change, what it has emitted so
//! far, and whom that concerns. Each verb adds its method in `apply/<verb>.rs`.

use crate::effect::{Effect, Reply};
use crate::engine::Output;
use crate::id::{JobSeq, LeaseRef, QueueId, SessionId, Ticket};
use crate::live::Live;
use crate::live::session::Standing;
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
    /// Whom this and the commands before it concern.
    concerned: Concerned,
}

/// Whom decided commands concern, and who has not been looked at for it yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Concerned {
    /// Queues with more jobs, more room or fewer jobs than before.
    touched: Vec<QueueId>,
    /// Sessions that may be able to take more.
    freed: Vec<SessionId>,
}

impl Concerned {
    /// The lists are searched one by one: with more entries they cost more than they
    /// save.
    const MAX: usize = 256;

    pub(crate) fn is_nobody(&self) -> bool {
        self.touched.is_empty() && self.freed.is_empty()
    }

    pub(crate) fn are_many(&self) -> bool {
        self.touched.len().max(self.freed.len()) > Self::MAX
    }
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
            concerned: Concerned::default(),
        }
    }

    /// Goes on with those whom earlier commands concern.
    pub(crate) fn with(mut self, concerned: Concerned) -> Self {
        self.concerned = concerned;
        self
    }

    /// Ends the command and leaves everyone it concerns for later.
    pub(crate) fn leave(mut self) -> Concerned {
        self.write_completed();
        self.concerned
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
        self.out.add(transition);
    }

    /// Hands the store what is true already.
    pub(crate) fn emit_again(&mut self, transition: Transition) {
        self.write_completed();
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
        self.out.add(Transition::JobsCompleted { leases });
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Result<Reply, Rejection>) {
        self.out.effects.push(Effect::Reply { ticket, reply });
    }

    /// The queue has changed: someone may be waiting for that.
    pub(crate) fn touch(&mut self, queue: QueueId) {
        let touched = &mut self.concerned.touched;
        if touched.last() != Some(&queue) && !touched.contains(&queue) {
            touched.push(queue);
        }
    }

    /// The session may be able to take more.
    pub(crate) fn freed(&mut self, session: SessionId) {
        let freed = &mut self.concerned.freed;
        if freed.last() != Some(&session) && !freed.contains(&session) {
            freed.push(session);
        }
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

    /// Gives everyone what the commands made possible: room to those who want to
    /// put, jobs to those who want to work, answers to those who wait for the end.
    /// One may make another possible, so it goes on until nothing is left to give.
    pub(crate) fn finish(mut self) {
        loop {
            for session in std::mem::take(&mut self.concerned.freed) {
                self.stand_in_line(session);
            }
            let Some(queue) = self.concerned.touched.pop() else {
                break;
            };
            self.admit_blocked_puts(queue);
            self.match_queue(queue);
            self.answer_queue_waits(queue);
        }
        self.write_completed();
        self.state.jobs.give_memory_back();
    }

    /// A session with room stands in its lines; those where it did not stand before
    /// may have jobs for it.
    fn stand_in_line(&mut self, id: SessionId) {
        let stood = self.live.stand_session(id, None);
        // `finish` takes the last one first.
        for name in stood.iter().rev() {
            let Some((queue, of)) = self.state.queues.named(name) else {
                continue;
            };
            if of.counts.ready > 0 && !of.paused {
                self.concerned.touched.retain(|other| *other != queue);
                self.concerned.touched.push(queue);
            }
        }
    }
}
