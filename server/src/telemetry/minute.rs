//! One log line a minute about the same thing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets one log line through each minute and counts the others.
#[derive(Debug, Default)]
pub(crate) struct OncePerMinute(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl OncePerMinute {
    /// Whether a line may be written now, and how many were not since the last one.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now < last + MINUTE) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_that_counts_those_before_it() {
        let (lines, start) = (OncePerMinute::default(), Instant::now());
        let at = |seconds| lines.pass_at(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(1), at(59)], [None, None]);
        assert_eq!(at(60), Some(2));
        assert_eq!(at(61), None);
    }
}
