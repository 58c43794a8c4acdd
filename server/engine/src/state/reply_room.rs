//! Room kept for outcomes: each live job with a `reply_to` reserves a place in that queue,
//! so that its outcome fits whenever the job ends.

use rustc_hash::FxHashMap;

use crate::id::QueueName;
use crate::settings::JobSettings;

/// How many live jobs reply to each queue. By name: the queue may be deleted and created
/// again meanwhile.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ReplyRoom(FxHashMap<QueueName, u64>);

impl ReplyRoom {
    /// `count` jobs that were told this live now.
    pub(crate) fn reserve(&mut self, settings: &JobSettings, count: u64) {
        let Some(queue) = &settings.reply_to else {
            return;
        };
        if let Some(reserved) = self.0.get_mut(queue) {
            *reserved += count;
        } else if count > 0 {
            self.0.insert(queue.clone(), count);
        }
    }

    /// One of them does not live any more.
    pub(crate) fn release(&mut self, settings: &JobSettings) {
        let Some(queue) = &settings.reply_to else {
            return;
        };
        if let Some(reserved) = self.0.get_mut(queue) {
            *reserved -= 1;
            if *reserved == 0 {
                self.0.remove(queue);
            }
        }
    }

    /// How many outcomes are still to come to this queue.
    pub(crate) fn of(&self, queue: &QueueName) -> u64 {
        self.0.get(queue).copied().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The queues that outcomes are still to come to, in no order.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.0.keys()
    }
}
