//! Random histories that could be real: every kind of transition, in an order that
//! an engine could give them.

use std::time::Duration;

use leaseq_engine::id::{JobSeq, QueueId};
use leaseq_engine::settings::{JobSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Transition};

use super::draft::Draft;
use super::model::{Model, sizes_of};
use crate::random::Random;
use crate::seam::Batch;

/// Makes one batch after the other.
#[derive(Clone, Debug)]
pub struct Workload {
    random: Random,
    time: Time,
    size_max: usize,
}

impl Workload {
    /// A workload of contents of up to `size_max` bytes, most of them small.
    #[must_use]
    pub fn new(seed: u64, size_max: usize) -> Self {
        Self {
            random: Random::new(seed),
            time: Time::from_millis(1_700_000_000_000),
            size_max,
        }
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.random.up_to(bound.saturating_sub(1))
    }

    /// What could happen next to a namespace in this state.
    pub fn next(&mut self, model: &Model) -> Batch {
        self.time = Time::from_millis(self.time.as_millis() + self.random.next() % 50);
        let draft = Draft::new(&mut self.random, self.time, self.size_max, model);
        Batch {
            time: self.time,
            transitions: draft.finish(),
        }
    }
}

/// Jobs of these contents, put at once.
#[must_use]
pub fn jobs_added(first: JobSeq, contents: Vec<Content>) -> Transition {
    let sizes: Vec<u32> = contents.iter().map(Content::size).collect();
    Transition::JobsAdded {
        first,
        queue: QueueId(0),
        put_time: Time::default(),
        settings: JobSettings {
            priority: 0,
            ready_time: None,
            max_attempts: 1,
            retry: RetryPolicy::default(),
            reply_to: None,
            run_time_max: None,
            result_retention: Duration::ZERO,
        },
        sizes: sizes_of(&sizes),
        contents,
    }
}
