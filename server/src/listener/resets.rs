//! A bound on the calls that a client gives up before they are answered.
//!
//! A call that is given up costs the client a few bytes and the server all of its work. HTTP/2
//! bounds the calls that are open, but one that was reset counts no more. So both are bounded:
//! how many are given up in a second, and how many calls of a connection are unanswered at the
//! same time, whether or not they were reset.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::standing::Standing;
use crate::config::Limits;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetLimits {
    per_second: usize,
    unanswered: usize,
}

impl ResetLimits {
    pub(super) fn new(limits: &Limits) -> Self {
        let per_second = limits.abandoned_calls_max;
        let open = usize::try_from(limits.streams_per_connection_max).unwrap_or(usize::MAX);
        Self {
            per_second,
            // h2 lets so many be open at once. Those beyond have been reset and not cleared up.
            unanswered: open.saturating_add(per_second),
        }
    }
}

/// Counts the calls of one connection.
#[derive(Debug)]
pub(super) struct Resets {
    limits: ResetLimits,
    began: Instant,
    unanswered: AtomicUsize,
    second: Mutex<Second>,
    flooded: CancellationToken,
}

#[derive(Debug, Default)]
struct Second {
    number: u64,
    count: usize,
}

impl Resets {
    pub(super) fn new(limits: ResetLimits) -> Self {
        Self {
            limits,
            began: Instant::now(),
            unanswered: AtomicUsize::new(0),
            second: Mutex::default(),
            flooded: CancellationToken::new(),
        }
    }

    /// Resolves when the client has given up too many calls.
    pub(super) async fn flooded(&self) {
        self.flooded.cancelled().await;
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.is_cancelled()
    }

    fn begin(&self) {
        if self.unanswered.fetch_add(1, Ordering::Relaxed) >= self.limits.unanswered {
            self.flooded.cancel();
        }
    }

    fn end(&self) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }

    fn given_up(&self, second: u64) {
        let mut now = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.number != second {
            *now = Second {
                number: second,
                count: 0,
            };
        }
        now.count += 1;
        if now.count > self.limits.per_second {
            self.flooded.cancel();
        }
    }
}

/// A call that has no answer yet.
pub(super) struct UnansweredCall {
    standing: Standing,
    answered: bool,
}

impl UnansweredCall {
    pub(super) fn new(standing: Standing) -> Self {
        standing.resets().begin();
        Self {
            standing,
            answered: false,
        }
    }

    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for UnansweredCall {
    fn drop(&mut self) {
        let resets = self.standing.resets();
        resets.end();
        if !self.answered {
            resets.given_up(resets.began.elapsed().as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resets(per_second: usize) -> Resets {
        Resets::new(ResetLimits {
            per_second,
            unanswered: per_second + 10,
        })
    }

    #[test]
    fn a_rate_is_bounded_and_no_sum() {
        let resets = resets(200);
        // 200 a second for an hour.
        for second in 0..3600 {
            (0..200).for_each(|_| resets.given_up(second));
        }
        assert!(!resets.is_flooded());
        resets.given_up(3599);
        assert!(resets.is_flooded());
    }

    #[test]
    fn calls_that_were_reset_and_not_cleared_up_are_bounded() {
        let resets = resets(200);
        for _ in 0..210 {
            resets.begin();
        }
        assert!(!resets.is_flooded());
        resets.end();
        resets.begin();
        assert!(!resets.is_flooded());
        resets.begin();
        assert!(resets.is_flooded());
    }
}
