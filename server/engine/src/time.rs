//! Time as the engine knows it: a number that the driver hands in.

pub use std::time::Duration;

/// A moment in server time: milliseconds on the server's own clock. It advances by
/// time that has passed and by nothing else: never by a clock that is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(u64);

impl Time {
    /// The moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later. Part milliseconds are rounded up, so that
    /// nothing happens early.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(
            self.0
                .saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A moment in lease time: server time without the stalls, in which the server did not
/// run. Leases, sessions and waiting calls go by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct LeaseTime(u64);

impl LeaseTime {
    /// The moment `duration` later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(Time(self.0).after(duration).0)
    }
}

/// Turns server time into lease time and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LeaseClock {
    /// Milliseconds of all stalls so far.
    stalled: u64,
}

impl LeaseClock {
    pub(crate) fn lease_time(self, time: Time) -> LeaseTime {
        LeaseTime(time.0.saturating_sub(self.stalled))
    }

    pub(crate) fn time(self, lease_time: LeaseTime) -> Time {
        Time(lease_time.0.saturating_add(self.stalled))
    }

    /// The last `by` was a stall: every moment in lease time is that much later in
    /// server time.
    pub(crate) fn stall(&mut self, by: Duration) {
        self.stalled = Time(self.stalled).after(by).0;
    }
}
