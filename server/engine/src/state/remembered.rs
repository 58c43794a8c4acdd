//! Puts remembered by their request id, so that a repeated Put adds nothing.

use std::collections::BTreeMap;
use std::collections::btree_map;
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
    /// The first job of each.
    by_id: FxHashMap<RequestId, JobSeq>,
    /// By the first job, and so in put order. I10: the same Puts as `by_id`. A tree,
    /// because those that are restated are older than what is here.
    in_order: BTreeMap<JobSeq, Entry>,
    /// How many times a Put was written, or read, to be remembered.
    written: u64,
}

/// A Put in its order.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: RequestId,
    put: RememberedPut,
    /// How many were written before it was written last.
    written: u64,
}

impl Remembered {
    pub(crate) fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            max,
            by_id: FxHashMap::default(),
            in_order: BTreeMap::new(),
            written: 0,
        }
    }

    pub(crate) fn insert(&mut self, id: RequestId, put: RememberedPut) {
        let written = self.written;
        self.written += 1;
        let entry = Entry { id, put, written };
        match self.in_order.entry(put.first) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
            btree_map::Entry::Occupied(mut place) => {
                let before = place.insert(entry);
                if before.id == id {
                    // Restated: nearly all that comes here under load.
                    return;
                }
                self.by_id.remove(&before.id);
            }
        }
        if let Some(before) = self.by_id.insert(id, put.first)
            && before != put.first
        {
            self.in_order.remove(&before);
        }
        while self.in_order.len() > self.max || self.first_is_over(put.put_time) {
            let Some((_, oldest)) = self.in_order.pop_first() else {
                return;
            };
            self.by_id.remove(&oldest.id);
        }
    }

    fn first_is_over(&self, now: Time) -> bool {
        let first = self.in_order.first_key_value();
        first.is_some_and(|(_, entry)| entry.put.put_time.after(self.window) <= now)
    }

    /// The Put that used this id, if it is recent enough to count.
    pub(crate) fn get(&self, id: RequestId, now: Time) -> Option<&RememberedPut> {
        let entry = self.in_order.get(self.by_id.get(&id)?)?;
        (entry.put.put_time.after(self.window) > now).then_some(&entry.put)
    }

    /// Those that were last among the first `count` to be written, in put order, from the
    /// one whose first job is `from` or later.
    pub(crate) fn written_before(
        &self,
        count: u64,
        from: JobSeq,
    ) -> impl Iterator<Item = (RequestId, &RememberedPut)> + '_ {
        let entries = self.in_order.range(from..).map(|(_, entry)| entry);
        let wanted = entries.filter(move |entry| entry.written < count);
        wanted.map(|entry| (entry.id, &entry.put))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let same = self.in_order.len() == self.by_id.len()
            && self.in_order.iter().all(|(first, entry)| {
                entry.put.first == *first && self.by_id.get(&entry.id) == Some(first)
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
