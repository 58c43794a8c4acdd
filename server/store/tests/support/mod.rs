//! What the tests of the journal share.

#![allow(dead_code)] // Each test file uses a part of it.

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{CommitError, Journal, JournalOptions, SyncPolicy};

/// Segments of a few batches, and next to nothing in the cache.
pub(crate) const SMALL: JournalOptions = JournalOptions {
    sync: SyncPolicy::Always,
    segment_bytes: 8 << 10,
    cache_bytes: 2 << 10,
    accept_loss: false,
};

/// A journal on this disk that has not been loaded.
pub(crate) fn journal(disk: &FaultyDisk) -> Journal<FaultyDisk> {
    Journal::on(disk.clone(), SMALL)
}

/// A journal on this disk, whose `load` said what the trial expects.
pub(crate) fn loaded(trial: &mut Trial, disk: &FaultyDisk) -> Journal<FaultyDisk> {
    let mut journal = journal(disk);
    trial.load(&mut journal).expect("it loads");
    journal
}

/// Commits `batches` batches, with a bounded piece of compaction after each fourth.
pub(crate) fn run(
    trial: &mut Trial,
    journal: &mut Journal<FaultyDisk>,
    workload: &mut Workload,
    batches: usize,
) -> Result<(), CommitError> {
    for n in 1..=batches {
        let batch = workload.next(trial.model());
        trial.commit(journal, batch)?;
        if n % 4 == 0 {
            trial.compact(journal, 5)?;
        }
    }
    Ok(())
}
