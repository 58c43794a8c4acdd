//! Puts remembered by their request id, so that a repeated Put adds nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::id::{JobSeq, QueueId, RequestId};
use crate::time::Time;

/// A Put that was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RememberedPut {
    pub(crate) queue: QueueId,
    pub(crate) first: JobSeq,
    pub(crate) count: u32,
    pub(crate) size: u64,
    pub(crate) put_time: Time,
}

/// The Puts of the last while, bounded by time and number. Old ones go when a new
/// one comes: nothing has to wake up for them.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    window: Duration,
    max: usize,
    by_id: FxHashMap<RequestId, RememberedPut>,
    /// In put order. I10: the same Puts as `by_id`. A tree, because those that are
    /// restated are older than what is here.
    in_order: BTreeMap<JobSeq, Entry>,
}

/// A Put in its order, with what tells its age: each new Put looks at the oldest one.
#[derive(Clone, Copy, Debug)]
struct Entry {
    put_time: Time,
    id: RequestId,
}

impl Remembered {
    pub(crate) fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            max,
            by_id: FxHashMap::default(),
            in_order: BTreeMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, id: RequestId, put: RememberedPut) {
        if let Some(before) = self.by_id.insert(id, put) {
            self.in_order.remove(&before.first);
        }
        let put_time = put.put_time;
        self.in_order.insert(put.first, Entry { put_time, id });
        while self.in_order.len() > self.max || self.first_is_over(put_time) {
            let Some((_, oldest)) = self.in_order.pop_first() else {
                return;
            };
            self.by_id.remove(&oldest.id);
        }
    }

    fn first_is_over(&self, now: Time) -> bool {
        let first = self.in_order.first_key_value();
        first.is_some_and(|(_, entry)| entry.put_time.after(self.window) <= now)
    }

    /// The Put that used this id, if it is recent enough to count.
    pub(crate) fn get(&self, id: RequestId, now: Time) -> Option<&RememberedPut> {
        let put = self.by_id.get(&id)?;
        (put.put_time.after(self.window) > now).then_some(put)
    }

    /// In put order, from the one whose first job is `from` or later.
    pub(crate) fn from(
        &self,
        from: JobSeq,
    ) -> impl Iterator<Item = (RequestId, &RememberedPut)> + '_ {
        let entries = self.in_order.range(from..).map(|(_, entry)| entry.id);
        entries.filter_map(|id| Some((id, self.by_id.get(&id)?)))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let same = self.in_order.len() == self.by_id.len()
            && self.in_order.iter().all(|(first, entry)| {
                let put = self.by_id.get(&entry.id);
                put.is_some_and(|put| (put.first, put.put_time) == (*first, entry.put_time))
            });
        if !same || self.by_id.len() > self.max {
            return Err(format!(
                "I10: {} request ids, {} in order, {} at most",
                self.by_id.len(),
                self.in_order.len(),
                self.max
            ));
        }
        Ok(())
    }
}
