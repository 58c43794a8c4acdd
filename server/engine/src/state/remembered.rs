//! Puts remembered by their request id, so that a repeated Put adds nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::id::{JobSeq, RequestId};
use crate::settings::REQUEST_ID_BYTES;
use crate::time::Time;
use crate::transition::PutJobs;

/// A Put that was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RememberedPut {
    pub(crate) first: JobSeq,
    pub(crate) count: u32,
    pub(crate) jobs: PutJobs,
    pub(crate) put_time: Time,
}

/// The Puts of the last while, bounded by time and memory. When a new one comes, those that
/// are too old go, and the oldest beyond the bound: no timer is needed.
///
/// Under load they can take most of the memory of a server whose jobs wait in few large
/// groups. So the entries are stored in one array, and both tables hold only places in it.
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
    pub(crate) fn new(window: Duration, bytes_max: usize) -> Self {
        Self {
            window,
            // A place is 32 bits.
            max: (bytes_max / REQUEST_ID_BYTES).min(u32::MAX as usize),
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

    /// The Put that used this id, or, in a journal of an earlier version, this UUID, if it is
    /// recent enough to count.
    pub(crate) fn get(&self, id: RequestId, uuid: RequestId, now: Time) -> Option<&RememberedPut> {
        let entry = self.by_id.get(&id).or_else(|| {
            let entry = self.by_id.get(&uuid)?;
            matches!(entry.put.jobs, PutJobs::Size { .. }).then_some(entry)
        });
        let put = &entry?.put;
        (put.put_time.after(self.window) > now).then_some(put)
    }

    /// How many are remembered.
    pub(crate) fn count(&self) -> usize {
        self.by_id.len()
    }

    /// When the oldest remembered Put was done, if there is no room for one more: earlier ones
    /// were forgotten before their time.
    pub(crate) fn full_since(&self) -> Option<Time> {
        let first = self.in_order.values().next();
        let (_, oldest) = self.by_id.get_index(*first? as usize)?;
        (self.by_id.len() >= self.max).then_some(oldest.put.put_time)
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
    use crate::id::{JobsHash, QueueId};

    const WINDOW: Duration = Duration::from_millis(20);
    const MAX: usize = 5;

    fn put(first: u64, put_time: u64) -> RememberedPut {
        RememberedPut {
            first: JobSeq(first),
            count: 1,
            jobs: PutJobs::Hash(JobsHash([0; 16])),
            put_time: Time::from_millis(put_time),
        }
    }

    #[test]
    fn a_full_memory_says_how_far_back_it_reaches() {
        let mut remembered = Remembered::new(WINDOW, 2 * REQUEST_ID_BYTES);
        remembered.insert(RequestId(1), put(1, 3));
        assert_eq!(remembered.full_since(), None);
        remembered.insert(RequestId(2), put(2, 5));
        remembered.insert(RequestId(3), put(3, 8));
        assert_eq!(remembered.count(), 2);
        assert_eq!(remembered.full_since(), Some(Time::from_millis(5)));
    }

    /// Only an id of an earlier version is known by its UUID alone.
    #[test]
    fn an_id_belongs_to_its_queue_unless_an_earlier_version_wrote_it() {
        let mut remembered = Remembered::new(WINDOW, MAX * REQUEST_ID_BYTES);
        let (now, uuid) = (Time::from_millis(3), RequestId(7));
        remembered.insert(uuid, put(1, 3));
        assert_eq!(remembered.get(RequestId(8), uuid, now), None);
        let jobs = PutJobs::Size {
            queue: QueueId(1),
            size: 5,
        };
        let earlier = RememberedPut { jobs, ..put(2, 3) };
        remembered.insert(uuid, earlier);
        assert_eq!(remembered.get(RequestId(8), uuid, now), Some(&earlier));
    }

    /// The bound is in bytes: what an id takes must not be more than is reckoned.
    #[test]
    fn an_id_takes_no_more_memory_than_is_reckoned() {
        // The hash, the id and the entry; the place in the table, which is at most half
        // empty and fills up to seven eighths; the place in the order, in nodes half full.
        let entry = size_of::<(usize, RequestId, Entry)>();
        let (table, order) = (
            (size_of::<usize>() + 1) * 8 / 7,
            2 * size_of::<(JobSeq, u32)>(),
        );
        // The table has just grown: nearly half of its places are empty.
        let count = (1 << 16) * 7 / 8 + 1;
        let mut remembered = Remembered::new(WINDOW, usize::MAX);
        for n in 0..count {
            remembered.insert(RequestId(u128::from(n) << 32), put(n, 0));
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = remembered.by_id.capacity() * (entry + table) + count * order;
        assert!(bytes <= count * REQUEST_ID_BYTES, "{} each", bytes / count);
    }

    proptest! {
        /// Few ids and few first jobs, in any order: they meet in all ways.
        #[test]
        fn it_remembers_what_a_list_remembers(
            puts in prop::collection::vec((0_u128..8, 0_u64..12, 0_u64..4), 0..60),
            count in 0_u64..70,
        ) {
            let mut remembered = Remembered::new(WINDOW, MAX * REQUEST_ID_BYTES);
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
                    let id = RequestId(id);
                    let found = remembered.get(id, id, Time::from_millis(now));
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
