//! What the driver hands to the committer.

use leaseq_engine::Output;
use leaseq_engine::id::{SessionId, Ticket};
use leaseq_engine::time::Time;

use super::answer::Refusal;
use super::inbox::Route;
use super::outboxes::Outlet;

/// One batch, on its way from the driver to the disk and out.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) time: Time,
    pub(super) output: Output,
    /// How many commands are in it.
    pub(super) commands: u64,
    /// Where the answers to its commands go.
    pub(super) routes: Vec<Route>,
    /// Refused by the driver; nothing to make durable.
    pub(super) refused: Vec<(Route, Refusal)>,
    pub(super) registered: Vec<(SessionId, Outlet)>,
    pub(super) closed: Vec<SessionId>,
    /// Callers that have gone away.
    pub(super) abandoned: Vec<Ticket>,
    /// Holds what compaction asked for.
    pub(super) compaction_step: bool,
    pub(super) drain: bool,
    /// The last one.
    pub(super) stop: bool,
}

impl Work {
    pub(super) fn new(time: Time) -> Self {
        Self {
            time,
            output: Output::default(),
            commands: 0,
            routes: Vec::new(),
            refused: Vec::new(),
            registered: Vec::new(),
            closed: Vec::new(),
            abandoned: Vec::new(),
            compaction_step: false,
            drain: false,
            stop: false,
        }
    }

    /// Puts what happened before it into the batch.
    pub(super) fn put_before(&mut self, mut first: Output) {
        first.transitions.append(&mut self.output.transitions);
        first.effects.append(&mut self.output.effects);
        self.output = first;
    }

    /// Whether the committer has nothing to do with it.
    pub(super) fn is_empty(&self) -> bool {
        self.output.transitions.is_empty()
            && self.output.effects.is_empty()
            && self.routes.is_empty()
            && self.refused.is_empty()
            && self.registered.is_empty()
            && self.closed.is_empty()
            && self.abandoned.is_empty()
            && !(self.compaction_step || self.drain || self.stop)
    }
}
