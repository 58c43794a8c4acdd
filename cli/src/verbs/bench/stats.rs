//! What each master and worker counts, and how the counts come together.

use std::sync::atomic::{AtomicU8, Ordering};

use hdrhistogram::Histogram;

/// Latencies up to this are told apart; longer ones count as this long.
const LATENCY_MAX_NANOS: u64 = 600_000_000_000;

/// A histogram of nanoseconds that is exact to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_bounds(1, LATENCY_MAX_NANOS, 3).expect("sound bounds")
}

/// Counts one latency.
pub(super) fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.max(1));
}

/// Whether what happens now counts.
#[derive(Debug, Default)]
pub(super) struct Phase(AtomicU8);

impl Phase {
    // 0 is the warm-up.
    const MEASURE: u8 = 1;
    const STOP: u8 = 2;

    pub(super) fn measure(&self) {
        self.0.store(Self::MEASURE, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.0.store(Self::STOP, Ordering::Relaxed);
    }

    pub(super) fn measuring(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::MEASURE
    }

    pub(super) fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::STOP
    }
}

/// The counts of one master or worker, or of all of them.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// Jobs put and acknowledged.
    pub(super) put_jobs: u64,
    /// Jobs completed and acknowledged.
    pub(super) completed_jobs: u64,
    /// Calls, entries or deliveries that went wrong.
    pub(super) errors: u64,
    /// What went wrong first.
    pub(super) first_error: Option<String>,
    /// From sending a Put to its answer.
    pub(super) put: Histogram<u64>,
    /// From sending a Put to the job's arrival at a worker.
    pub(super) deliver: Histogram<u64>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            put_jobs: 0,
            completed_jobs: 0,
            errors: 0,
            first_error: None,
            put: histogram(),
            deliver: histogram(),
        }
    }

    /// Remembers what went wrong.
    pub(super) fn error(&mut self, what: impl ToString) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(what.to_string());
        }
    }

    /// Adds what another one counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.put_jobs += other.put_jobs;
        self.completed_jobs += other.completed_jobs;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        // Both have the bounds of `histogram`, so nothing can be out of range.
        let _ = self.put.add(&other.put);
        let _ = self.deliver.add(&other.deliver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_keep_the_first_error() {
        let mut one = Counts::new();
        one.put_jobs = 2;
        record(&mut one.put, 1_000);
        let mut other = Counts::new();
        other.put_jobs = 3;
        other.error("broken");
        other.error("again");
        record(&mut other.put, 3_000);
        one.add(&other);
        assert_eq!((one.put_jobs, one.errors, one.put.len()), (5, 2, 2));
        assert_eq!(one.first_error.as_deref(), Some("broken"));
    }

    #[test]
    fn a_phase_goes_from_warm_up_over_measuring_to_the_end() {
        let phase = Phase::default();
        assert!(!phase.measuring() && !phase.stopped());
        phase.measure();
        assert!(phase.measuring() && !phase.stopped());
        phase.stop();
        assert!(phase.stopped() && !phase.measuring());
    }
}
