//! Every store passes the suite.

#![allow(clippy::unwrap_used)] // A test may panic.

use leaseq_store::conformance;
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Journal, JournalOptions, MemoryStore, SyncPolicy};

/// Small enough that the suite fills many segments and finds little in the cache.
const OPTIONS: JournalOptions = JournalOptions {
    sync: SyncPolicy::Always,
    segment_bytes: 64 << 10,
    cache_bytes: 16 << 10,
    accept_loss: false,
};

#[test]
fn memory() {
    conformance::check(&mut || {
        let memory = MemoryStore::new();
        Box::new(move || Box::new(memory.shared()))
    });
}

#[test]
fn a_journal_in_a_directory() {
    // What it is about here are real files; thousands of real syncs would take long.
    let options = JournalOptions {
        sync: SyncPolicy::Os,
        ..OPTIONS
    };
    conformance::check(&mut || {
        let dir = tempfile::tempdir().unwrap();
        Box::new(move || Box::new(Journal::open(&dir.path().join("data"), options).unwrap()))
    });
}

#[test]
fn a_journal_on_the_faulty_disk() {
    conformance::check(&mut || {
        let disk = FaultyDisk::new();
        Box::new(move || Box::new(Journal::on(disk.clone(), OPTIONS)))
    });
}

#[test]
fn a_journal_that_syncs_behind() {
    for sync in ["os", "interval:1ms"] {
        let sync = sync.parse().unwrap();
        conformance::check(&mut || {
            let disk = FaultyDisk::new();
            let options = JournalOptions { sync, ..OPTIONS };
            Box::new(move || Box::new(Journal::on(disk.clone(), options)))
        });
    }
}

/// What the system's cache holds is the same as what the disk holds.
#[test]
fn a_journal_whose_power_is_cut_between_restarts() {
    conformance::check(&mut || {
        let disk = FaultyDisk::new();
        let mut seed = 0;
        Box::new(move || {
            seed += 1;
            disk.crash(seed);
            Box::new(Journal::on(disk.clone(), OPTIONS))
        })
    });
}
