//! Keeps a caller from filling the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lets a bounded number of log lines through each second and counts the others.
#[derive(Debug)]
pub(super) struct Throttle {
    began: Instant,
    per_second: u64,
    /// The second that is counted now.
    second: AtomicU64,
    passed: AtomicU64,
    suppressed: AtomicU64,
}

impl Throttle {
    pub(super) fn new(per_second: u64) -> Self {
        Self {
            began: Instant::now(),
            per_second,
            second: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written, and how many before it were not. Two threads
    /// at the turn of a second may let a few more through; nothing depends on that.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(self.began.elapsed().as_secs())
    }

    fn pass_at(&self, now: u64) -> Option<u64> {
        if self.second.swap(now, Ordering::Relaxed) != now {
            self.passed.store(0, Ordering::Relaxed);
        }
        if self.passed.fetch_add(1, Ordering::Relaxed) < self.per_second {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_with_the_next() {
        let throttle = Throttle::new(2);
        let passed: Vec<_> = (0..5).map(|_| throttle.pass_at(7)).collect();
        assert_eq!(passed, [Some(0), Some(0), None, None, None]);
        assert_eq!(throttle.pass_at(8), Some(3));
        assert_eq!(throttle.pass_at(8), Some(0));
    }
}
