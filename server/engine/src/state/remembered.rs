//! Puts remembered by their request id, so that a repeated Put adds nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

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
///
/// There are 100,000 of them under load, most of the memory of a server whose jobs wait in
/// few large groups. So they lie close together, and both tables have no more than places.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    window: Duration,
    max: usize,
    by_id: IndexMap<RequestId, Entry, FxBuildHasher>,
    /// The places in `by_id` by the first job, and so in put order. I10: the same Puts as
    /// `by_id`. A tree, because those that are restated are older than what is here.
    in_order: BTreeMap<JobSeq, u32>,
    /// How many times a Put was written, or read, to be remembered.
    written: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    put: RememberedPut,
    /// How many were written before it was written last.
    written: u64,
}

impl Remembered {
    pub(crate) fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            // A place is 32 bits.
            max: max.min(u32::MAX as usize),
            by_id: IndexMap::default(),
            in_order: BTreeMap::new(),
            written: 0,
        }
    }

    pub(crate) fn insert(&mut self, id: RequestId, put: RememberedPut) {
        let written = self.written;
        self.written += 1;
        let there = self.in_order.get(&put.first);
        let there = there.and_then(|place| self.by_id.get_index(*place as usize));
        if there.is_some_and(|(other, _)| *other != id) {
            self.forget(put.first);
        }
        let (place, before) = self.by_id.insert_full(id, Entry { put, written });
        // Restated, nearly all that comes here under load is in its place already.
        let was = before.map(|before| before.put.first);
        if was != Some(put.first) {
            if let Some(was) = was {
                self.in_order.remove(&was);
            }
            self.in_order.insert(put.first, place_of(place));
        }
        while let Some((oldest, _)) = self.in_order.first_key_value()
            && (self.in_order.len() > self.max || self.first_is_over(put.put_time))
        {
            self.forget(*oldest);
        }
    }

    fn first_is_over(&self, now: Time) -> bool {
        let first = self.in_order.first_key_value();
        let first = first.and_then(|(_, place)| self.by_id.get_index(*place as usize));
        first.is_some_and(|(_, entry)| entry.put.put_time.after(self.window) <= now)
    }

    /// The Put whose first job this was is not remembered any more.
    fn forget(&mut self, first: JobSeq) {
        let Some(place) = self.in_order.remove(&first) else {
            return;
        };
        self.by_id.swap_remove_index(place as usize);
        // The last one has its place now.
        if let Some((_, moved)) = self.by_id.get_index(place as usize) {
            self.in_order.insert(moved.put.first, place);
        }
    }

    /// The Put that used this id, if it is recent enough to count.
    pub(crate) fn get(&self, id: RequestId, now: Time) -> Option<&RememberedPut> {
        let put = &self.by_id.get(&id)?.put;
        (put.put_time.after(self.window) > now).then_some(put)
    }

    /// Those that were last among the first `count` to be written, in put order, from the
    /// one whose first job is `from` or later.
    pub(crate) fn written_before(
        &self,
        count: u64,
        from: JobSeq,
    ) -> impl Iterator<Item = (RequestId, &RememberedPut)> + '_ {
        let places = self.in_order.range(from..).map(|(_, place)| *place);
        let puts = places.filter_map(|place| self.by_id.get_index(place as usize));
        let wanted = puts.filter(move |(_, entry)| entry.written < count);
        wanted.map(|(id, entry)| (*id, &entry.put))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let same = self.in_order.len() == self.by_id.len()
            && self.in_order.iter().all(|(first, place)| {
                let put = self.by_id.get_index(*place as usize);
                put.is_some_and(|(_, entry)| entry.put.first == *first)
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

fn place_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(20);
    const MAX: usize = 5;

    fn put(first: u64, put_time: u64) -> RememberedPut {
        RememberedPut {
            queue: QueueId(0),
            first: JobSeq(first),
            count: 1,
            size: 0,
            put_time: Time::from_millis(put_time),
        }
    }

    proptest! {
        /// Few ids and few first jobs, in any order: they meet in all ways.
        #[test]
        fn it_remembers_what_a_list_remembers(
            puts in prop::collection::vec((0_u128..8, 0_u64..12, 0_u64..4), 0..60),
            count in 0_u64..70,
        ) {
            let mut remembered = Remembered::new(WINDOW, MAX);
            // By the first job: id, put and the how manieth it was.
            let mut list: BTreeMap<u64, (u128, RememberedPut, u64)> = BTreeMap::new();
            let mut now = 0;
            for (n, (id, first, later)) in (0..).zip(puts) {
                now += later;
                let put = put(first, now);
                remembered.insert(RequestId(id), put);
                prop_assert_eq!(remembered.check(), Ok(()));
                list.retain(|_, (other, _, _)| *other != id);
                list.insert(first, (id, put, n));
                while list.first_key_value().is_some_and(|(_, (_, oldest, _))| {
                    list.len() > MAX || oldest.put_time.after(WINDOW) <= put.put_time
                }) {
                    list.pop_first();
                }
                for id in 0..8 {
                    let expected = list.values().find(|(other, put, _)| {
                        *other == id && put.put_time.after(WINDOW) > Time::from_millis(now)
                    });
                    let found = remembered.get(RequestId(id), Time::from_millis(now));
                    prop_assert_eq!(found, expected.map(|(_, put, _)| put));
                }
            }
            let found = remembered.written_before(count, JobSeq(3)).map(|(id, put)| (id.0, *put));
            let expected = list.range(3..).filter(|(_, (_, _, n))| *n < count);
            let expected = expected.map(|(_, (id, put, _))| (*id, *put));
            prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}
