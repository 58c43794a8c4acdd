//! Maps and sets of jobs in which jobs that were put one after the other lie side by
//! side.
//!
//! Jobs are leased, settled and forgotten in about the order in which they were put. An
//! ordinary hash spreads neighbours over the whole table, so that with some ten thousand
//! leases each look-up waits for memory: a sixth of the server's time in a profile.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::id::JobSeq;

/// By job.
pub(crate) type JobMap<V> = HashMap<JobSeq, V, BuildHasherDefault<NeighbourHasher>>;

/// Jobs.
pub(crate) type JobSet = HashSet<JobSeq, BuildHasherDefault<NeighbourHasher>>;

/// Spreads blocks of neighbours like any multiplicative hash (Fibonacci hashing, Knuth,
/// The Art of Computer Programming 3, 6.4) and keeps each block together: the low bits,
/// which choose the place in the table, count up within a block. Whole numbers in place
/// of blocks would be kept together by the identity, but then numbers with gaps of equal
/// length, such as each hundredth job, would share few places.
#[derive(Clone, Copy, Default)]
pub(crate) struct NeighbourHasher(u64);

/// Jobs of a block: as many as the table looks at in one step.
const BLOCK_BITS: u32 = 4;

impl Hasher for NeighbourHasher {
    fn write_u64(&mut self, number: u64) {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let in_block = number & ((1 << BLOCK_BITS) - 1);
        let spread = (number >> BLOCK_BITS).wrapping_mul(GOLDEN);
        // The best bits of a product are the high ones; the table takes the low ones for
        // the place, and the highest seven to tell neighbours apart.
        let place = spread.rotate_left(32) << BLOCK_BITS | in_block;
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
