//! The values of a batch in the making: settings, contents and so on.

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::QueueId;
use leaseq_engine::settings::{JobSettings, RetryPolicy};
use leaseq_engine::transition::{Content, End};

use super::{Draft, name};

impl Draft<'_> {
    pub(super) fn settings(&mut self) -> JobSettings {
        let plain = self.random.chance(60);
        JobSettings {
            priority: if plain { 0 } else { -5 },
            ready_time: self
                .random
                .chance(15)
                .then(|| self.time.after(Duration::from_secs(9))),
            max_attempts: 20,
            retry: RetryPolicy::default(),
            reply_to: (!plain).then(|| name(1)),
            run_time_max: (!plain).then_some(Duration::from_secs(5)),
            result_retention: if plain {
                Duration::ZERO
            } else {
                self.duration()
            },
        }
    }

    pub(super) fn queue(&mut self) -> QueueId {
        QueueId(self.random.up_to(2).try_into().unwrap_or(0))
    }

    pub(super) fn duration(&mut self) -> Duration {
        Duration::from_millis(self.random.next() % 100_000)
    }

    pub(super) fn any_end(&mut self) -> End {
        match self.random.up_to(2) {
            0 => End::Completed,
            1 => End::Dead,
            _ => End::Cancelled,
        }
    }

    pub(super) fn size(&mut self) -> usize {
        let most = match self.random.up_to(19) {
            0 => 0,
            1 => self.size_max,
            _ => self.size_max.min(120),
        };
        self.random.up_to(most)
    }

    pub(super) fn content(&mut self, size: usize) -> Content {
        let headers = if self.random.chance(30) {
            size.min(9)
        } else {
            0
        };
        Content {
            headers: self.bytes(headers),
            payload: self.bytes(size - headers),
        }
    }

    /// Bytes that do not look like any others.
    pub(super) fn bytes(&mut self, len: usize) -> Bytes {
        let words = std::iter::repeat_with(|| self.random.next().to_le_bytes());
        words.flatten().take(len).collect()
    }
}
