//! A worker's session: what it may hold, what it holds, and how long it lives
//! without a sign of life.

use std::time::Duration;

use crate::by_job::JobSet;
use crate::command::Flow;
use crate::id::{JobSeq, QueueName};
use crate::time::LeaseTime;

/// A session, or the leases that one left behind.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) standing: Standing,
    /// The queues it leases from, and its place in the line of each.
    pub(crate) queues: Vec<Spot>,
    pub(crate) worker: Box<str>,
    pub(crate) flow: Flow,
    pub(crate) lease_duration: Duration,
    pub(crate) grace: Duration,
    /// The jobs it has leased and not settled. I7: each one's lease names this
    /// session, and `bytes` is the sum of their sizes.
    pub(crate) held: JobSet,
    pub(crate) bytes: u64,
    /// When its leases end unless it is heard of.
    pub(crate) expire_time: LeaseTime,
    /// The moment of its deadline: `expire_time`, or earlier.
    pub(crate) deadline: Option<LeaseTime>,
    /// Which of its queues is served first: the one after that served last.
    pub(crate) turn: usize,
}

/// A queue of a session.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) queue: QueueName,
    /// Where it stands in line; `None`: it does not.
    pub(crate) place: Option<u64>,
    /// Its byte room when the first job of the queue was too large for it; `None`: it does
    /// not wait for that.
    pub(crate) tight: Option<u64>,
}

/// How a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// It gets jobs.
    Open,
    /// It finishes what it holds.
    Draining,
    /// Its stream is gone: only its leases are left, for its grace.
    Gone,
}

impl Session {
    /// What is left of a session: leases that nobody holds for now.
    pub(crate) fn gone(lease_duration: Duration) -> Self {
        Self {
            standing: Standing::Gone,
            queues: Vec::new(),
            worker: Box::default(),
            flow: Flow {
                jobs_max: 0,
                bytes_max: 0,
            },
            lease_duration,
            grace: Duration::ZERO,
            held: JobSet::default(),
            bytes: 0,
            expire_time: LeaseTime::default(),
            deadline: None,
            turn: 0,
        }
    }

    /// Whether its stream stands.
    pub(crate) fn is_open(&self) -> bool {
        self.standing != Standing::Gone
    }

    pub(crate) fn can_take_more(&self) -> bool {
        self.standing == Standing::Open
            && self.held.len() < self.flow.jobs_max
            && (self.held.is_empty() || self.bytes < self.flow.bytes_max)
    }

    /// How many more bytes it may hold.
    pub(crate) fn byte_room(&self) -> u64 {
        self.flow.bytes_max.saturating_sub(self.bytes)
    }

    /// How many more jobs it may hold.
    pub(crate) fn room(&self) -> usize {
        self.flow.jobs_max.saturating_sub(self.held.len())
    }

    pub(crate) fn hold(&mut self, job: JobSeq, size: u32) {
        if self.held.insert(job) {
            self.bytes += u64::from(size);
        }
    }

    pub(crate) fn let_go(&mut self, job: JobSeq, size: u32) {
        if self.held.remove(&job) {
            self.bytes -= u64::from(size);
        }
    }

    /// The first `max` of the jobs it holds, in put order.
    pub(crate) fn first_held(&self, max: usize) -> Vec<JobSeq> {
        let mut held: Vec<_> = self.held.iter().copied().collect();
        if max < held.len() {
            held.select_nth_unstable(max);
            held.truncate(max);
        }
        held.sort_unstable();
        held
    }

    /// The jobs it holds, in put order: the order must not depend on a hash.
    pub(crate) fn held_in_order(&self) -> Vec<JobSeq> {
        let mut held: Vec<_> = self.held.iter().copied().collect();
        held.sort_unstable();
        held
    }
}
