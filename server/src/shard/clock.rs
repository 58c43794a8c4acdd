//! The server's clock: wall time at the start, then the monotonic clock.
//!
//! It never goes back. When the wall clock is found ahead (the machine slept, or
//! someone set the clock) it follows, and says by how much, so that the engine can
//! let every lease last that much longer. A wall clock that is set back is ignored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leaseq_engine::time::Time;

/// A wall clock this far ahead is followed. Less is the drift of two clocks of one
/// machine between two readings.
const JUMP_MIN: Duration = Duration::from_secs(1);

/// The clock. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// Milliseconds since the Unix epoch at `start`, as far as is known by now.
    base_millis: AtomicU64,
}

impl Clock {
    /// A clock that starts at the wall time.
    pub(crate) fn start() -> Self {
        Self(Arc::new(Shared {
            start: Instant::now(),
            base_millis: AtomicU64::new(wall_millis()),
        }))
    }

    /// The time now.
    pub(crate) fn now(&self) -> Time {
        let elapsed = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time::from_millis(
            self.0
                .base_millis
                .load(Ordering::Relaxed)
                .saturating_add(elapsed),
        )
    }

    /// Makes sure that the clock is not before `time`, the last one in the store:
    /// the wall clock may have been set back while the server was down.
    pub(crate) fn not_before(&self, time: Time) {
        let behind = time.since(self.now());
        self.move_ahead(behind);
    }

    /// Follows a wall clock that has jumped ahead. Only the driver calls this.
    pub(crate) fn follow_wall(&self) -> Option<Duration> {
        let ahead = Time::from_millis(wall_millis()).since(self.now());
        (ahead >= JUMP_MIN).then(|| {
            self.move_ahead(ahead);
            ahead
        })
    }

    fn move_ahead(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.base_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// Milliseconds since the Unix epoch; zero on a machine that believes it is older.
fn wall_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_catches_up_with_the_last_time_of_the_store() {
        let clock = Clock::start();
        let later = clock.now().after(Duration::from_secs(3600));
        clock.not_before(later);
        assert!(clock.now() >= later);
        clock.not_before(Time::from_millis(0));
        assert!(
            clock.now() < later.after(Duration::from_secs(60)),
            "an earlier time changes nothing"
        );
    }

    #[test]
    fn it_does_not_follow_a_wall_clock_that_is_not_ahead() {
        let clock = Clock::start();
        clock.not_before(clock.now().after(Duration::from_secs(3600)));
        assert_eq!(clock.follow_wall(), None);
    }

    #[test]
    fn it_follows_a_wall_clock_that_is_ahead_and_says_by_how_much() {
        let clock = Clock::start();
        // As if the machine had slept for an hour: the base is an hour behind.
        clock.0.base_millis.fetch_sub(3_600_000, Ordering::Relaxed);
        let by = clock.follow_wall().expect("an hour is more than drift");
        assert!(
            by >= Duration::from_secs(3590) && by <= Duration::from_secs(3610),
            "{by:?}"
        );
        assert_eq!(clock.follow_wall(), None, "followed once");
    }
}
