//! Files that are removed under a running journal end it.

#![allow(clippy::unwrap_used)] // A test may panic.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use leaseq_engine::time::Time;
use leaseq_store::{Batch, Journal, Store, StoreError};
use support::SMALL;

/// As the shard does it: it commits, and looks after space.
fn goes_on_until_it_fails(journal: &mut Journal<leaseq_store::disk::RealDisk>) -> StoreError {
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        if let Err(error) = journal.compact() {
            return error;
        }
        std::thread::yield_now();
    }
    panic!("nobody has noticed");
}

#[test]
fn removed_files_end_the_journal() {
    for name in ["LOCK", "0000000001.seg"] {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), SMALL).unwrap();
        let loaded = journal.load(&mut |_, _| Ok(())).unwrap();
        journal.compact().unwrap();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = goes_on_until_it_fails(&mut journal);
        assert!(matches!(error, StoreError::Removed { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        let batch = Batch {
            time: Time::default(),
            transitions: Vec::new(),
        };
        let refused = journal.commit(loaded.epoch, loaded.next, batch);
        assert!(refused.is_err(), "nothing is acknowledged any more");
        // As long as it runs, nobody else starts there.
        let second = Journal::open(dir.path(), SMALL).unwrap_err();
        assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    }
}
