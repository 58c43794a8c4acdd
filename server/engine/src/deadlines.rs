//! What falls due when, in the order of time.
//!
//! There are two of these: one in the durable state (what follows from transitions
//! alone) and one for what lives only while the process does. `Tick` takes what is
//! due from both.

use std::collections::BTreeSet;

use crate::id::{JobSeq, SessionId, Ticket};
use crate::time::Time;

/// Something that falls due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Deadline {
    /// A scheduled job's time comes.
    Ready(JobSeq),
    /// The lease of a Get ends.
    Lease(JobSeq),
    /// The longest time an attempt may run has passed.
    RunTime(JobSeq),
    /// The retention of a job that has ended is over.
    Forget(JobSeq),
    /// A session was last heard of too long ago, or its grace is over.
    Session(SessionId),
    /// A caller has waited long enough.
    Wait(Ticket),
}

/// Deadlines in order. Each is in here at most once for its moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Time, Deadline)>);

impl Deadlines {
    pub(crate) fn insert(&mut self, at: Time, deadline: Deadline) {
        self.0.insert((at, deadline));
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, at: Time, deadline: Deadline) -> bool {
        self.0.remove(&(at, deadline))
    }

    pub(crate) fn contains(&self, at: Time, deadline: Deadline) -> bool {
        self.0.contains(&(at, deadline))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first moment at which something is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Adds up to `max` of those that are due at `now` to `due`.
    pub(crate) fn collect_due(&self, now: Time, max: usize, due: &mut Vec<(Time, Deadline)>) {
        due.extend(self.0.iter().take_while(|(at, _)| *at <= now).take(max));
    }
}
