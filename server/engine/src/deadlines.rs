//! What falls due when, in the order of time.
//!
//! There are four of these: three in the durable state (what follows from transitions
//! alone), and one for what lives only while the process does. `Tick` takes what is due
//! from all of them.

use std::collections::BTreeSet;

use crate::id::{JobSeq, SessionId, Ticket};
use crate::time::{LeaseTime, Time};

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

/// Deadlines in order, in server time or in lease time. Each is in here at most once for
/// its moment.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<T>(BTreeSet<(T, Deadline)>);

/// The deadlines of jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobDeadlines {
    /// Delays: they count all time that passes.
    pub(crate) jobs: Deadlines<Time>,
    /// Retention of jobs that have ended, the same.
    pub(crate) kept: Deadlines<Time>,
    /// Ends of leases: they do not count stalls.
    pub(crate) leases: Deadlines<LeaseTime>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Copy + Ord> Deadlines<T> {
    pub(crate) fn insert(&mut self, at: T, deadline: Deadline) {
        self.0.insert((at, deadline));
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, at: T, deadline: Deadline) -> bool {
        self.0.remove(&(at, deadline))
    }

    pub(crate) fn contains(&self, at: T, deadline: Deadline) -> bool {
        self.0.contains(&(at, deadline))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first moment at which something is due.
    pub(crate) fn next(&self) -> Option<T> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Up to `max` of those that are due at `now`.
    pub(crate) fn due(&self, now: T, max: usize) -> impl Iterator<Item = (T, Deadline)> {
        let all = self.0.iter().copied();
        all.take_while(move |(at, _)| *at <= now).take(max)
    }
}
