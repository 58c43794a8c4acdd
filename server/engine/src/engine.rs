//! The one type that the driver talks to.

use std::collections::BTreeMap;

use crate::apply::due_max;
use crate::command::Command;
use crate::effect::Effect;
use crate::id::{JobId, JobSeq, NamespaceTag, NumberFloor, QueueName, SessionId};
use crate::live::Live;
use crate::live::session::Session;
use crate::pending::PendingWork;
use crate::settings::EngineConfig;
use crate::space::Space;
use crate::state::State;
use crate::state::evolve::{Unknown, is_session};
use crate::time::{Duration, Time};
use crate::transition::{ClockReading, Transition};
use crate::turn::Turn;

/// What a batch of commands gave: append-only until the driver takes all of it.
#[derive(Debug, Default)]
pub struct Output {
    /// The durable facts, in order.
    pub transitions: Vec<Transition>,
    /// What may happen outside once they are durable, in order.
    pub effects: Vec<Effect>,
    /// How much was done: jobs changed or looked at, sessions and waiting callers served.
    /// One command does not take more steps than jobs that it names and
    /// [`EngineConfig::step_max`] with an eighth; tests hold it to that.
    pub steps: usize,
    /// The place of a `JobsAdded` behind which only remembered Puts have come: jobs of the
    /// next Put may join it.
    added: Option<usize>,
}

impl Output {
    /// Adds what has become true. Jobs that could have been put by one Put, and verdicts
    /// that could have come in one call, become one transition: a store and a restart
    /// deal with them at once.
    pub(crate) fn add(&mut self, transition: Transition) {
        let Some(transition) = self.joined(transition) else {
            return;
        };
        if matches!(transition, Transition::JobsAdded { .. }) {
            self.added = Some(self.transitions.len());
        } else if !matches!(transition, Transition::PutRemembered { .. }) {
            self.added = None;
        }
        self.transitions.push(transition);
    }

    /// Lets the transition join one before it; gives it back if there is none.
    fn joined(&mut self, transition: Transition) -> Option<Transition> {
        let before = if matches!(transition, Transition::JobsAdded { .. }) {
            self.added.and_then(|at| self.transitions.get_mut(at))
        } else {
            self.transitions.last_mut()
        };
        match before {
            Some(before) => before.join(transition),
            None => Some(transition),
        }
    }
}

/// The journal says something that cannot have happened: it is damaged, or from a
/// version with other rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the journal contradicts itself: {0}")]
pub struct RestoreError(pub String);

/// One namespace: its queues, jobs, leases, sessions and waiters.
///
/// Order of calls: `new`; `restore` for each transition of the store, oldest
/// first; `restored` once; if it was empty, `create`; then any of `apply`.
/// `next_deadline` says when a `Command::Tick` is due. Of commands that came together,
/// each may be `decide`d and all of them `finish`ed together.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    pub(crate) state: State,
    live: Live,
    /// The work of decided commands that are not finished.
    pending: PendingWork,
    /// What was too much for one command: the next Tick goes on with it.
    left_over: PendingWork,
}

impl Engine {
    /// An engine that knows nothing.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            state: State::new(&config),
            live: Live::default(),
            pending: PendingWork::default(),
            left_over: PendingWork::default(),
            config,
        }
    }

    /// Takes a transition of the store. While `trimmed`, transitions may speak of
    /// jobs and queues whose beginning was in a segment that is gone: they are
    /// passed over, because the present state of what is still alive was restated
    /// further on.
    ///
    /// # Errors
    /// When the transition cannot follow those before it.
    pub fn restore(&mut self, transition: &Transition, trimmed: bool) -> Result<(), RestoreError> {
        let unknown = if trimmed {
            Unknown::PassOver
        } else {
            Unknown::Contradiction
        };
        self.state.evolve(transition, None, unknown)
    }

    /// The replay is over: rebuilds what is derived. `last_time` is the time of
    /// the last batch. Emits `Stalled` for the time the server was down, so that
    /// no lease ended while it could not be extended. With a `floor`, the numbers of
    /// jobs and leases go on from there, durably with this batch.
    pub fn restored(
        &mut self,
        last_time: Time,
        now: Time,
        floor: Option<NumberFloor>,
        out: &mut Output,
    ) {
        let down = now.since(last_time);
        let leases = self.state.jobs.iter().any(|(_, job)| job.lease().is_some());
        let mut turn = Turn::new(now, &self.config, &mut self.state, &mut self.live, out);
        if leases && !down.is_zero() {
            turn.emit(Transition::Stalled { by: down });
        }
        if let Some(floor) = floor {
            let raised = turn.state.raise_numbers(floor);
            turn.emit(raised);
        }
        self.left_over.append(turn.finish());
        self.leave_behind_sessions(now);
    }

    /// The sessions of before are gone, their leases are not: each has its
    /// `lease_duration` to be named by a worker that comes back.
    fn leave_behind_sessions(&mut self, now: Time) {
        let mut by_duration: BTreeMap<Duration, Vec<JobSeq>> = BTreeMap::new();
        for (seq, job) in self.state.jobs.iter() {
            if let Some(lease) = job.lease()
                && is_session(lease.holder)
            {
                by_duration
                    .entry(lease.lease_duration)
                    .or_default()
                    .push(seq);
            }
        }
        for (duration, mut jobs) in by_duration {
            jobs.sort_unstable();
            // In parts, so that no session has more leases to expire than one Tick does.
            for part in jobs.chunks(due_max(&self.config)) {
                self.leave_behind_session(now, duration, part);
            }
        }
    }

    fn leave_behind_session(&mut self, now: Time, duration: Duration, jobs: &[JobSeq]) {
        // The driver counts sessions upwards from the small numbers.
        let id = SessionId(u64::MAX - self.live.sessions_made_up);
        self.live.sessions_made_up += 1;
        let mut session = Session::gone(duration);
        for seq in jobs {
            let group = self.state.groups.get(*seq);
            let size = group.map_or(0, |group| group.size(*seq));
            session.hold(*seq, size);
            self.state.bind(*seq, Some(id));
        }
        self.live.sessions.insert(id, session);
        let at = self.state.lease_clock.lease_time(now).after(duration);
        self.live.expire_session_at(id, at);
    }

    /// Creates the namespace in an empty store.
    pub fn create(&mut self, tag: NamespaceTag, token_key: [u8; 16], out: &mut Output) {
        let now = Time::default(); // nothing in it depends on the time
        let mut turn = Turn::new(now, &self.config, &mut self.state, &mut self.live, out);
        turn.emit(Transition::NamespaceCreated { tag, token_key });
        self.left_over.append(turn.finish());
    }

    /// The key of the check value in lease tokens, and the tag of job ids.
    #[must_use]
    pub fn identity(&self) -> Option<(NamespaceTag, [u8; 16])> {
        self.state.identity
    }

    /// The id and the queue of a job; `None`: nothing is known of it.
    #[must_use]
    pub fn identify(&self, job: JobSeq) -> Option<(JobId, QueueName)> {
        let known = self.state.known(job)?;
        let queue = self.state.queues.get(known.queue)?;
        Some((self.state.id_of(job, known.put_time), queue.name.clone()))
    }

    /// What the clocks said when they were read last.
    #[must_use]
    pub fn clocks(&self) -> Option<ClockReading> {
        self.state.clocks
    }

    /// Decides one command at `now` and finishes it.
    pub fn apply(&mut self, now: Time, command: Command, out: &mut Output) {
        self.decide(now, command, out);
        self.finish(now, out);
    }

    /// Decides one command at `now`. What it makes possible for waiters may have to wait
    /// for `finish`, which is due at the same `now`: jobs that are put together are
    /// delivered together, and not in as many parts as there were Puts.
    pub fn decide(&mut self, now: Time, command: Command, out: &mut Output) {
        let gathers = gathers(&command);
        if !gathers || self.pending.is_much() {
            self.finish(now, out);
        }
        let mut pending = std::mem::take(&mut self.pending);
        if matches!(command, Command::Tick { .. }) {
            pending.append(std::mem::take(&mut self.left_over));
        }
        let mut turn = self.turn(now, out).with(pending);
        turn.decide(command);
        if gathers {
            self.pending = turn.leave();
        } else {
            let rest = turn.finish();
            self.left_over.append(rest);
        }
    }

    /// Does the work that the commands decided so far have left.
    pub fn finish(&mut self, now: Time, out: &mut Output) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let rest = self.turn(now, out).with(pending).finish();
        self.left_over.append(rest);
    }

    fn turn<'a>(&'a mut self, now: Time, out: &'a mut Output) -> Turn<'a> {
        Turn::new(now, &self.config, &mut self.state, &mut self.live, out)
    }

    /// How much room the store has from now on, and how many bytes the next batch may
    /// write. Those who had to wait for room are looked at with the next `finish`.
    pub fn set_space(&mut self, space: Space, room: u64) {
        let before = std::mem::replace(&mut self.live.space, space);
        self.live.room = room;
        let puts_again = before > Space::Enough && space == Space::Enough;
        let grants_again = self.live.starved && !self.live.is_held_back();
        if grants_again || puts_again {
            self.live.starved = false;
            for queue in self.state.queues.ids() {
                self.pending.queues.add(queue);
            }
        }
    }

    /// When the next `Command::Tick` is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.left_over.is_empty() || self.live.waits.owes_answers() {
            return Some(Time::default()); // at once
        }
        let deadlines = &self.state.deadlines;
        let (mut leases, mut jobs) = (deadlines.leases.next(), deadlines.jobs.next());
        if self.live.is_held_back() {
            // Without room, leases do not end and nothing becomes ready: see `tick`.
            (leases, jobs) = (None, None);
        }
        let first = leases.into_iter().chain(self.live.deadlines.next()).min();
        let first = first.map(|at| self.state.lease_clock.time(at));
        let jobs = jobs.into_iter().chain(deadlines.kept.next());
        jobs.chain(first).min()
    }

    /// How many Puts are remembered by their request id.
    #[must_use]
    pub fn remembered_puts(&self) -> usize {
        self.state.remembered.count()
    }

    /// When the oldest of them was done, if the memory for them is full; `None`: every Put is
    /// remembered as long as it should be.
    #[must_use]
    pub fn remembered_puts_full_since(&self) -> Option<Time> {
        self.state.remembered.full_since()
    }

    /// Looks at everything and compares it with everything else: for tests and for
    /// `leaseq doctor`. Between `decide` and `finish` not all of it has to hold.
    ///
    /// # Errors
    /// The first invariant that does not hold, in words.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.state.check()?;
        self.live.check(&self.state, &self.left_over)
    }
}

/// Whether what this command makes possible can wait for the commands that came with
/// it. Only of those that come in masses, and that nothing else in them depends on.
fn gathers(command: &Command) -> bool {
    matches!(
        command,
        Command::Put(_) | Command::Settle(_) | Command::Heartbeat { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobId;
    use crate::testing::{Desk, complete, job, lease_of};

    /// A start at this time of the wall clock on what is left of the journal.
    fn start_again(desk: &mut Desk, wall: Time) {
        let mut engine = Engine::new(EngineConfig::default());
        for transition in &desk.journal {
            engine.restore(transition, false).unwrap();
        }
        let mut out = Output::default();
        engine.restored(desk.now, desk.now, Some(NumberFloor::at(wall)), &mut out);
        engine.check_invariants().unwrap();
        desk.journal.append(&mut out.transitions);
        desk.engine = engine;
    }

    /// Puts a job and leases it: the numbers of both.
    fn numbers(desk: &mut Desk) -> (JobId, crate::id::LeaseRef) {
        let id = desk.put("q", vec![job("a")])[0];
        (id, lease_of(&desk.get("q", 1)[0]))
    }

    /// A power cut with a sync policy that does not wait, or a copy of the directory from
    /// an earlier moment, and another job comes to be where an older one was.
    #[test]
    fn a_journal_that_lost_its_end_gives_no_number_twice() {
        let wall = Time::from_millis(1_764_000_000_000);
        let mut desk = Desk::new();
        start_again(&mut desk, wall);
        let (_, settled) = numbers(&mut desk);
        desk.settle(settled, complete()).unwrap();
        let copy = desk.journal.clone();
        let (lost_job, lost) = numbers(&mut desk);
        for later in [0, 1, 86_400_000] {
            desk.journal.clone_from(&copy);
            start_again(&mut desk, Time::from_millis(wall.as_millis() + later));
            let (job, lease) = numbers(&mut desk);
            assert!(job.seq() > lost_job.seq(), "{later} ms later");
            assert!(lease.lease > lost.lease, "{later} ms later");
            // The worker with the lost lease cannot settle another worker's job.
            assert!(desk.settle(lost, complete()).is_err());
            assert_eq!(desk.settle(lease, complete()), Ok(()));
            assert_eq!(desk.settle(settled, complete()), Ok(()), "remembered");
        }
    }

    /// Numbers given out at full speed since a start are below the floor of the next.
    #[test]
    fn the_floor_is_ahead_of_every_number_given_out_since_the_last() {
        let second = NumberFloor::at(Time::from_millis(1_764_000_001_000));
        let first = NumberFloor::at(Time::from_millis(1_764_000_000_000));
        let eight_million = 8_000_000;
        assert!(second.raise(1, 1) > first.raise(1, 1) + eight_million);
    }

    #[test]
    fn a_wrong_clock_uses_up_no_numbers() {
        let mut next = 1;
        for _ in 0..1_000 {
            let raised = NumberFloor::at(Time::from_millis(u64::MAX)).raise(next, 1_000_000);
            assert!(raised > next && raised < JobId::SEQ_MAX / 2 + (1 << 40));
            next = raised;
        }
        let back = NumberFloor::at(Time::default()).raise(next, 1);
        assert!(back > next, "a clock that was set right again");
    }
}
