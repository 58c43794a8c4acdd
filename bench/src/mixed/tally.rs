//! What has happened so far, counted by everyone, and the longest time in which nothing did.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counters of all kinds.
#[derive(Debug)]
pub(super) struct Tally {
    start: Instant,
    /// When the server last answered anyone, in nanoseconds after the start.
    answered: AtomicU64,
    stall: AtomicU64,
    pub(super) put: AtomicU64,
    pub(super) put_with_reply: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) released: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) forgotten: AtomicU64,
    pub(super) outcomes: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Books {
    pub(super) put: u64,
    put_with_reply: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) released: u64,
    rejected: u64,
    pub(super) forgotten: u64,
    pub(super) outcomes: u64,
    refused: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            start: Instant::now(),
            answered: zero(),
            stall: zero(),
            put: zero(),
            put_with_reply: zero(),
            completed: zero(),
            failed: zero(),
            released: zero(),
            rejected: zero(),
            forgotten: zero(),
            outcomes: zero(),
            refused: zero(),
        }
    }

    /// The server has answered someone.
    pub(super) fn answered(&self) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = self.answered.fetch_max(now, Relaxed);
        // Before the first answer everybody still connects.
        if before > 0 {
            self.stall.fetch_max(now.saturating_sub(before), Relaxed);
        }
    }

    /// The longest time without an answer to anyone since the last look.
    pub(super) fn take_stall(&self) -> Duration {
        Duration::from_nanos(self.stall.swap(0, Relaxed))
    }

    pub(super) fn books(&self) -> Books {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        Books {
            put: of(&self.put),
            put_with_reply: of(&self.put_with_reply),
            completed: of(&self.completed),
            failed: of(&self.failed),
            released: of(&self.released),
            rejected: of(&self.rejected),
            forgotten: of(&self.forgotten),
            outcomes: of(&self.outcomes),
            refused: of(&self.refused),
        }
    }
}

impl Books {
    /// Every job that was put has ended once, and every outcome has come once.
    pub(super) fn balanced(&self) -> bool {
        self.put == self.completed + self.rejected
            && self.put_with_reply == self.outcomes
            && self.refused == 0
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "In all: {} put, {} completed, {} rejected, {} attempts failed, {} released, {} left \
             to expire, {} outcomes of {}, {} settlements refused.",
            self.put,
            self.completed,
            self.rejected,
            self.failed,
            self.released,
            self.forgotten,
            self.outcomes,
            self.put_with_reply,
            self.refused,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_balance_when_every_job_has_ended() {
        let tally = Tally::new();
        tally.put.store(3, Relaxed);
        tally.completed.store(2, Relaxed);
        assert!(!tally.books().balanced());
        tally.rejected.store(1, Relaxed);
        assert!(tally.books().balanced());
    }

    #[test]
    fn a_stall_is_told_once() {
        let tally = Tally::new();
        tally.answered();
        tally.answered();
        assert!(tally.take_stall() > Duration::ZERO);
        assert_eq!(tally.take_stall(), Duration::ZERO);
    }
}
