//! What jobs carry: the moment of their put, then noise, so that nothing gains by compressing
//! them. Made as leaseq's own bench makes it.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

const STAMP_BYTES: usize = 8;

/// Nanoseconds since the start of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The moment a payload was stamped with.
pub(super) fn stamp_of(payload: &[u8]) -> u64 {
    let stamp = payload.first_chunk::<STAMP_BYTES>();
    stamp.map_or(0, |stamp| u64::from_le_bytes(*stamp))
}

/// Makes payloads of one size.
#[derive(Debug)]
pub(super) struct Payloads {
    noise: Vec<u8>,
}

impl Payloads {
    pub(super) fn new(bytes: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let noise = (STAMP_BYTES..bytes.max(STAMP_BYTES)).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        Self {
            noise: noise.collect(),
        }
    }

    /// So many with one stamp, all in one allocation.
    pub(super) fn stamped(&self, stamp: u64, count: usize) -> Vec<Bytes> {
        let each = STAMP_BYTES + self.noise.len();
        let mut all = BytesMut::with_capacity(each * count);
        for _ in 0..count {
            all.extend_from_slice(&stamp.to_le_bytes());
            all.extend_from_slice(&self.noise);
        }
        let mut rest = all.freeze();
        (0..count).map(|_| rest.split_to(each)).collect()
    }
}
