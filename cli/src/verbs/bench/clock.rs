//! Time inside the benchmark, and the stamp of it that each payload begins with.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

/// Payloads are at least this long: the stamp.
pub(super) const STAMP_BYTES: usize = 8;

/// Nanoseconds since the start of the run, the same for masters and workers: they share a process.
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

/// The moment that a payload was stamped with.
pub(super) fn stamp_of(payload: &[u8]) -> Option<u64> {
    payload
        .first_chunk::<STAMP_BYTES>()
        .map(|stamp| u64::from_le_bytes(*stamp))
}

/// Makes payloads: a stamp, then noise, so that nothing gains by compressing them.
#[derive(Debug)]
pub(super) struct Payloads {
    noise: Vec<u8>,
}

impl Payloads {
    pub(super) fn new(payload_bytes: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let noise = (STAMP_BYTES..payload_bytes.max(STAMP_BYTES))
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        Self { noise }
    }

    /// `count` payloads with one stamp, all in one allocation.
    pub(super) fn stamped(&self, stamp: u64, count: usize) -> impl Iterator<Item = Bytes> {
        let each = STAMP_BYTES + self.noise.len();
        let mut all = BytesMut::with_capacity(each * count);
        for _ in 0..count {
            all.extend_from_slice(&stamp.to_le_bytes());
            all.extend_from_slice(&self.noise);
        }
        let mut rest = all.freeze();
        (0..count).map(move |_| rest.split_to(each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back() {
        let payloads: Vec<Bytes> = Payloads::new(128).stamped(4711, 3).collect();
        assert_eq!(payloads.len(), 3);
        assert!(payloads.iter().all(|payload| payload.len() == 128));
        assert_eq!(stamp_of(&payloads[2]), Some(4711));
    }

    #[test]
    fn a_foreign_payload_has_no_stamp() {
        assert_eq!(stamp_of(b"short"), None);
    }

    #[test]
    fn payloads_are_at_least_a_stamp() {
        let payload = Payloads::new(0).stamped(1, 1).next();
        assert_eq!(payload.map(|payload| payload.len()), Some(STAMP_BYTES));
    }
}
