//! Request ids: what makes a Put repeatable.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// A fresh request id: a UUIDv7 (RFC 9562) that no other Put of any process has.
///
/// Its random part is a counter, hashed with a key that this process has drawn once: the
/// system is not asked for random bytes for each Put, which took longer than writing it.
pub(crate) fn fresh() -> Uuid {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    let hashes = [0_u8, 1].map(|half| KEY.hash_one((half, number)).to_le_bytes());
    for (to, from) in random.iter_mut().zip(hashes.as_flattened()) {
        *to = *from;
    }
    // A clock that is wrong makes ids that are no less unique.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_are_equal_whoever_draws_them() {
        let draw = || (0..1000).map(|_| fresh()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let drawn: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert!(drawn.iter().all(|id| id.get_version_num() == 7));
        let heads: HashSet<_> = drawn.iter().map(|id| id.as_u128() >> 80).collect();
        assert!(heads.len() < 1000, "they begin with the time");
        let different: HashSet<_> = drawn.iter().collect();
        assert_eq!(different.len(), 4000);
    }
}
