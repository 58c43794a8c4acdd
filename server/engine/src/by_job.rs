//! Maps and sets of jobs in which jobs that were put one after the other lie side by
//! side.
//!
//! Jobs are leased, settled and forgotten in about the order in which they were put. An
//! ordinary hash spreads neighbours over the whole table, so that with some ten thousand
//! leases each look-up waits for memory: a sixth of the server's time in a profile.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::id::JobSeq;

/// By job.
pub(crate) type JobMap<V> = HashMap<JobSeq, V, BuildHasherDefault<NeighbourHasher>>;

/// Jobs.
pub(crate) type JobSet = HashSet<JobSeq, BuildHasherDefault<NeighbourHasher>>;

/// By job, for a map that may become large: in parts, so that no single insertion has to
/// move, or give memory to, more than a part. The parts are of unequal size, so that they
/// do not grow at the same time either. A map of 100,000 leases in one piece took 40 ms
/// to grow.
#[derive(Clone, Debug)]
pub(crate) struct JobTable<V> {
    parts: Vec<JobMap<V>>,
    /// The part that is looked at next for memory to give back.
    next: usize,
}

const PARTS: u64 = 16;

/// A part keeps room for so many jobs, however few there are.
const KEPT_BY_PART: usize = 4096;

impl<V> Default for JobTable<V> {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| JobMap::default()).collect(),
            next: 0,
        }
    }
}

impl<V> JobTable<V> {
    /// The last part gets twice as many jobs as the first.
    fn part_of(job: JobSeq) -> usize {
        // The highest bits; the places in a part come from lower ones.
        let even = spread(job.0) >> 48;
        // Grows by 4/3 where it begins and by 2/3 where it ends.
        let uneven = even * ((4 << 16) - even) / (3 << 16);
        usize::try_from((uneven * PARTS) >> 16).unwrap_or(0)
    }

    pub(crate) fn get(&self, job: JobSeq) -> Option<&V> {
        self.parts.get(Self::part_of(job))?.get(&job)
    }

    pub(crate) fn get_mut(&mut self, job: JobSeq) -> Option<&mut V> {
        self.parts.get_mut(Self::part_of(job))?.get_mut(&job)
    }

    pub(crate) fn insert(&mut self, job: JobSeq, value: V) {
        if let Some(part) = self.parts.get_mut(Self::part_of(job)) {
            part.insert(job, value);
        }
    }

    pub(crate) fn remove(&mut self, job: JobSeq) -> Option<V> {
        self.parts.get_mut(Self::part_of(job))?.remove(&job)
    }

    /// Removes the job if `is_right` says so: one look-up for both.
    pub(crate) fn remove_if(
        &mut self,
        job: JobSeq,
        is_right: impl FnOnce(&V) -> bool,
    ) -> Option<V> {
        match self.parts.get_mut(Self::part_of(job))?.entry(job) {
            Entry::Occupied(entry) if is_right(entry.get()) => Some(entry.remove()),
            Entry::Occupied(_) | Entry::Vacant(_) => None,
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (JobSeq, &V)> {
        self.parts
            .iter()
            .flatten()
            .map(|(job, value)| (*job, value))
    }

    /// Gives memory back after a crowd has gone, of one part at a time: called now and
    /// then, of all. Rarely does anything, and then moves an eighth of what the part had.
    pub(crate) fn give_memory_back(&mut self) {
        self.next = (self.next + 1) % self.parts.len();
        if let Some(part) = self.parts.get_mut(self.next) {
            let capacity = part.capacity();
            if capacity > KEPT_BY_PART && part.len() < capacity / 8 {
                part.shrink_to(KEPT_BY_PART.max(part.len() * 2));
            }
        }
    }
}

/// Spreads blocks of neighbours like any multiplicative hash (Fibonacci hashing, Knuth,
/// The Art of Computer Programming 3, 6.4) and keeps each block together: the low bits,
/// which choose the place in the table, count up within a block. Whole numbers in place
/// of blocks would be kept together by the identity, but then numbers with gaps of equal
/// length, such as each hundredth job, would share few places.
#[derive(Clone, Copy, Default)]
pub(crate) struct NeighbourHasher(u64);

/// Jobs of a block: as many as the table looks at in one step.
const BLOCK_BITS: u32 = 4;

/// The same for all of a block, and far apart for different ones.
fn spread(number: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    (number >> BLOCK_BITS).wrapping_mul(GOLDEN)
}

impl Hasher for NeighbourHasher {
    fn write_u64(&mut self, number: u64) {
        let in_block = number & ((1 << BLOCK_BITS) - 1);
        // The best bits of a product are the high ones; the table takes the low ones for
        // the place, and the highest seven to tell neighbours apart.
        let place = spread(number).rotate_left(32) << BLOCK_BITS | in_block;
        self.0 = place ^ in_block << (u64::BITS - BLOCK_BITS);
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only for completeness: a `JobSeq` is one number.
        for byte in bytes {
            let mixed = self.0.rotate_left(8) ^ u64::from(*byte);
            self.write_u64(mixed);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    fn places(jobs: impl Iterator<Item = u64>, bits: u32) -> HashMap<u64, usize> {
        let hasher = BuildHasherDefault::<NeighbourHasher>::default();
        let mut places = HashMap::new();
        for job in jobs {
            let hash = hasher.hash_one(JobSeq(job));
            *places.entry(hash & ((1 << bits) - 1)).or_default() += 1;
        }
        places
    }

    #[test]
    fn a_table_is_a_map() {
        let mut table = JobTable::default();
        let jobs = || (0..20_000).map(|n| JobSeq(n * n));
        jobs().for_each(|job| table.insert(job, job.0));
        assert_eq!(table.iter().count(), 20_000);
        for job in jobs() {
            *table.get_mut(job).unwrap() = job.0 + 1;
        }
        let (gone, kept) = (JobSeq(9), JobSeq(16));
        assert_eq!(table.remove_if(kept, |value| *value == 16), None);
        assert_eq!(table.remove_if(gone, |value| *value == 10), Some(10));
        assert_eq!(table.remove(JobSeq(25)), Some(26));
        table.give_memory_back();
        assert_eq!(table.get(kept), Some(&17));
        assert_eq!(
            [gone, JobSeq(25)].map(|job| table.get_mut(job).copied()),
            [None; 2]
        );
        assert_eq!(table.iter().count(), 19_998);
    }

    #[test]
    fn a_crowd_that_has_gone_leaves_its_memory() {
        let mut table = JobTable::default();
        let most = |table: &JobTable<()>| table.parts.iter().map(HashMap::capacity).max();
        (0..300_000).for_each(|n| table.insert(JobSeq(n), ()));
        for n in 9..300_000 {
            table.remove(JobSeq(n));
        }
        let kept = Some(KEPT_BY_PART * 2);
        assert!(most(&table) > kept, "{:?}", most(&table));
        (0..PARTS).for_each(|_| table.give_memory_back());
        assert!(most(&table) < kept, "{:?}", most(&table));
        assert_eq!(table.iter().count(), 9);
    }

    /// What one insertion may have to move: a small part, at a time of its own.
    #[test]
    fn no_large_part_of_a_table_grows_at_once() {
        let mut table = JobTable::default();
        for n in 0..300_000 {
            table.insert(JobSeq(1_000 + n), ());
        }
        let mut sizes: Vec<usize> = table.parts.iter().map(HashMap::len).collect();
        sizes.sort_unstable();
        let [least, .., most] = sizes[..] else {
            panic!("{sizes:?}")
        };
        assert!(most < 300_000 / 10, "{sizes:?}");
        assert!(least * 3 / 2 < most, "unequal: {sizes:?}");
        assert!(
            sizes.windows(2).all(|pair| pair[0] + 300 < pair[1]),
            "{sizes:?}"
        );
    }

    #[test]
    fn neighbours_lie_side_by_side() {
        let hasher = BuildHasherDefault::<NeighbourHasher>::default();
        for block in [0, 1, 77, 1 << 40] {
            let at = |n: u64| hasher.hash_one(JobSeq(16 * block + n));
            for n in 1..16 {
                assert_eq!(at(n) & 0xffff, (at(0) & 0xffff) + n);
                assert_ne!(at(n) >> 57, at(n - 1) >> 57, "told apart");
            }
        }
    }

    #[test]
    fn whatever_the_gaps_few_share_a_block() {
        for gap in [1, 2, 7, 16, 64, 100, 1 << 12, 1 << 20] {
            // As many jobs as the table has places, less an eighth.
            let jobs = (0..14_336).map(|n| 1 + n * gap);
            let mut blocks: HashMap<u64, usize> = HashMap::new();
            for (place, count) in places(jobs, 14) {
                *blocks.entry(place >> BLOCK_BITS).or_default() += count;
            }
            let most = blocks.values().max().copied().unwrap_or(0);
            assert!(most <= 64, "{most} in a block of 16 for gaps of {gap}");
        }
    }
}
