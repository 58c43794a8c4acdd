//! The shard's figures: plain atomics, written by its two threads, read when
//! somebody scrapes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leaseq_engine::effect::Effect;
use leaseq_engine::space::{self, Unwritten};
use leaseq_store::{Committed, Report, Space};

use super::tally::JobCounters;

/// Upper bounds of the duration buckets in microseconds: 50 µs to 5 s.
pub(crate) const DURATION_BUCKETS_MICROS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// Upper bounds of the buckets of commands in a batch.
pub(crate) const BATCH_BUCKETS: [u64; 16] = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768,
];

/// The shard's figures.
#[derive(Debug, Default)]
pub(crate) struct ShardMetrics {
    /// Commands decided.
    pub(crate) commands: AtomicU64,
    /// Batches made durable.
    pub(crate) commits: AtomicU64,
    /// Bytes written to the store.
    pub(crate) commit_bytes: AtomicU64,
    /// How many commands each batch had.
    pub(crate) batch_commands: Histogram,
    /// How long the store took to make a batch durable, in microseconds.
    pub(crate) commit_micros: Histogram,
    /// How long the disk's sync took of that, in microseconds.
    pub(crate) sync_micros: Histogram,
    /// What was not written because the disk is full.
    disk_full: [AtomicU64; Unwritten::ALL.len()],
    /// Commands refused because too many were waiting.
    pub(crate) inbox_full_refusals: AtomicU64,
    /// What happened to jobs.
    pub(crate) jobs: JobCounters,
    /// How many Puts are remembered by their request id.
    pub(crate) request_ids: AtomicU64,
    /// When the oldest of them was done, in milliseconds, if there is no room for one more;
    /// 0: there is.
    pub(crate) request_ids_full_since: AtomicU64,
    /// Bytes on disk.
    pub(crate) disk_bytes: AtomicU64,
    /// Segments on disk.
    pub(crate) segments: AtomicU64,
    /// For how long the server was stalled, in milliseconds.
    pub(crate) stalled_millis: AtomicU64,
    /// Which of `Space::ALL` there is.
    space: AtomicU64,
    pub(crate) delays: AtomicU64,
    /// Bytes that may be written before only compaction writes.
    room: AtomicU64,
    /// Bytes of contents read to look for damage.
    pub(crate) scrubbed_bytes: AtomicU64,
    /// How long the last start took to read the journal, in microseconds.
    pub(crate) recovery_micros: AtomicU64,
    /// Bytes of a torn batch cut off at the last start.
    pub(crate) torn_bytes: AtomicU64,
}

impl ShardMetrics {
    pub(super) fn stalled(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.stalled_millis.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, committed: &Committed, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_bytes
            .fetch_add(committed.bytes, Ordering::Relaxed);
        self.commit_micros
            .record(micros(took), &DURATION_BUCKETS_MICROS);
        self.sync_micros
            .record(micros(committed.sync_time), &DURATION_BUCKETS_MICROS);
    }

    /// Takes over what the store says of itself. Returns how many delays were known before.
    pub(super) fn report(&self, report: &Report) -> u64 {
        self.disk_bytes.store(report.disk_bytes, Ordering::Relaxed);
        self.segments.store(report.segments, Ordering::Relaxed);
        self.space.store(report.space as u64, Ordering::Relaxed);
        self.room.store(report.room, Ordering::Relaxed);
        self.delays.swap(report.delays, Ordering::Relaxed)
    }

    /// How much room the store has, and how many bytes may be written in it.
    pub(crate) fn space(&self) -> (Space, u64) {
        let at = usize::try_from(self.space.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let space = Space::ALL.get(at).copied().unwrap_or(Space::Full);
        (space, self.room.load(Ordering::Relaxed))
    }

    /// Counts what these effects refuse because the disk is full.
    pub(super) fn unwritten(&self, effects: &[Effect]) {
        for what in space::unwritten(effects) {
            self.disk_full[what as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often this was not written because the disk is full.
    pub(crate) fn disk_full(&self, what: Unwritten) -> u64 {
        self.disk_full[what as usize].load(Ordering::Relaxed)
    }
}

/// Counts of values up to each of sixteen bounds, which the writer names.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; 16],
    count: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, value: u64, bounds: &[u64; 16]) {
        if let Some(at) = bounds.iter().position(|bound| value <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many values were in each bucket alone; those above the last are only
    /// in `count`.
    pub(crate) fn buckets(&self) -> [u64; 16] {
        std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed))
    }

    /// How many values there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Their sum.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
