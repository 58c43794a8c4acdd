//! When the next part of the contents on disk is read to look for damage.
//!
//! The committer's thread does it between batches, a step of at most 64 KiB at a time, so
//! that no batch waits longer than for one such read.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::committer::{Committer, Ended};

/// How much is read in one step.
const STEP_BYTES: usize = 64 << 10;

/// A pass over all contents begins at most this often: bytes do not rot by the minute.
const PASS_EVERY: Duration = Duration::from_secs(3600);

/// The pace of the scrub.
#[derive(Debug)]
pub(super) struct Scrub {
    /// 0: never.
    bytes_per_second: u64,
    pass_began: Instant,
    next_step: Instant,
}

impl Scrub {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        let now = Instant::now();
        Self {
            bytes_per_second,
            pass_began: now,
            next_step: now,
        }
    }

    /// How long until the next step.
    pub(super) fn wait(&self) -> Duration {
        if self.bytes_per_second == 0 {
            return Duration::MAX;
        }
        self.next_step.saturating_duration_since(Instant::now())
    }

    /// `bytes` were read: when to go on.
    fn took(&mut self, bytes: u64, pass_ended: bool) {
        let now = Instant::now();
        let micros = bytes.saturating_mul(1_000_000) / self.bytes_per_second.max(1);
        self.next_step = now + Duration::from_micros(micros.max(1_000));
        if pass_ended {
            self.next_step = self.next_step.max(self.pass_began + PASS_EVERY);
            self.pass_began = self.next_step;
        }
    }
}

impl Committer {
    /// One step, if it is time for one.
    pub(super) fn scrub(&mut self) -> Result<(), Ended> {
        if !self.scrub.wait().is_zero() {
            return Ok(());
        }
        let scrubbed = self.store.scrub(STEP_BYTES).map_err(|error| {
            self.failed = Some(error.to_string());
            Ended
        })?;
        let metrics = &self.handle.shared.metrics;
        metrics
            .scrubbed_bytes
            .fetch_add(scrubbed.bytes, Ordering::Relaxed);
        for content in &scrubbed.damaged {
            self.handle
                .tell(self.content_lost(content.job, content, true));
        }
        self.scrub.took(scrubbed.bytes, scrubbed.pass_ended);
        Ok(())
    }
}
