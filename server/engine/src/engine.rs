//! The one type that the driver talks to.

use crate::command::Command;
use crate::effect::Effect;
use crate::id::NamespaceTag;
use crate::settings::EngineConfig;
use crate::time::Time;
use crate::transition::Transition;

/// What a batch of commands gave: append-only until the driver takes it.
#[derive(Debug, Default)]
pub struct Output {
    /// The durable facts, in order.
    pub transitions: Vec<Transition>,
    /// What may happen outside once they are durable, in order.
    pub effects: Vec<Effect>,
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
/// `next_deadline` says when a `Command::Tick` is due.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
}

impl Engine {
    /// An engine that knows nothing.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self { config }
    }

    /// Takes a transition of the store. While `trimmed`, transitions may speak of
    /// jobs and queues whose beginning was in a segment that is gone: they are
    /// passed over, because the present state of what is still alive was restated
    /// further on.
    ///
    /// # Errors
    /// When the transition cannot follow those before it.
    pub fn restore(&mut self, transition: &Transition, trimmed: bool) -> Result<(), RestoreError> {
        let _ = (transition, trimmed, &self.config);
        Ok(())
    }

    /// The replay is over: rebuilds what is derived. `last_time` is the time of
    /// the last batch. Emits `ClockMoved` by the time the server was down, so that
    /// no lease ended while nobody could extend it.
    pub fn restored(&mut self, last_time: Time, now: Time, out: &mut Output) {
        let _ = (last_time, now, out);
    }

    /// Creates the namespace in an empty store.
    pub fn create(&mut self, tag: NamespaceTag, token_key: [u8; 16], out: &mut Output) {
        let _ = (tag, token_key, out);
    }

    /// The key of the check value in lease tokens, and the tag of job ids.
    #[must_use]
    pub fn identity(&self) -> Option<(NamespaceTag, [u8; 16])> {
        None
    }

    /// Decides one command at `now`.
    pub fn apply(&mut self, now: Time, command: Command, out: &mut Output) {
        let _ = (now, command, out);
    }

    /// When the next `Command::Tick` is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        None
    }

    /// Panics if an invariant does not hold: a full scan, for tests and for
    /// `leaseq doctor`. Returns the first violation as text.
    ///
    /// # Errors
    /// The first invariant that does not hold, in words.
    pub fn check_invariants(&self) -> Result<(), String> {
        Ok(())
    }
}
