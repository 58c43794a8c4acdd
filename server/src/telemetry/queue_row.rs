//! What the metrics show of a queue.

use std::time::Duration;

use leaseq_engine::effect::{Counts, QueueView};
use leaseq_engine::time::Time;

use super::names;

/// The counts of the states, by their names.
pub(super) fn states(counts: &Counts) -> [(&'static str, u64); 6] {
    [
        ("scheduled", counts.scheduled),
        ("ready", counts.ready),
        ("leased", counts.leased),
        ("completed", counts.completed),
        ("dead", counts.dead),
        ("cancelled", counts.cancelled),
    ]
}

/// One queue, or all that share a label.
pub(super) struct QueueRow<'a> {
    pub(super) name: &'a str,
    pub(super) counts: Counts,
    pub(super) oldest_ready: Duration,
    pub(super) bytes: u64,
    pub(super) paused: u64,
    pub(super) waiting: u64,
    pub(super) waiting_for_bytes: u64,
}

impl<'a> QueueRow<'a> {
    pub(super) fn new(queue: &'a QueueView, now: Time) -> Self {
        Self {
            name: queue.name.as_str(),
            counts: queue.counts,
            oldest_ready: queue
                .oldest_ready
                .map_or(Duration::ZERO, |put| now.since(put)),
            bytes: queue.bytes,
            paused: u64::from(queue.paused),
            waiting: queue.waiting,
            waiting_for_bytes: queue.waiting_for_bytes,
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        let (a, b) = (self.counts, other.counts);
        Self {
            name: names::OTHER_QUEUES,
            counts: Counts {
                scheduled: a.scheduled + b.scheduled,
                ready: a.ready + b.ready,
                leased: a.leased + b.leased,
                completed: a.completed + b.completed,
                dead: a.dead + b.dead,
                cancelled: a.cancelled + b.cancelled,
            },
            oldest_ready: self.oldest_ready.max(other.oldest_ready),
            bytes: self.bytes + other.bytes,
            paused: self.paused + other.paused,
            waiting: self.waiting + other.waiting,
            waiting_for_bytes: self.waiting_for_bytes + other.waiting_for_bytes,
        }
    }
}
