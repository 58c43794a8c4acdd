//! A sync that fails is believed, whichever thread got the error: nothing is begun, trimmed
//! or removed afterwards, and the next start makes durable what the disk may have missed.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may panic.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, Transition};
use leaseq_store::conformance::{Trial, jobs_added};
use leaseq_store::disk::{Disk, DiskFile, Fault, FaultyDisk};
use leaseq_store::{CommitError, Compaction, Journal, JournalOptions, Store, SyncPolicy};
use support::{SMALL, loaded};

/// Syncs a millisecond behind the commits.
const BEHIND: JournalOptions = JournalOptions {
    sync: SyncPolicy::Interval(Duration::from_millis(1)),
    ..SMALL
};

/// Puts jobs one after the other.
struct Putter {
    next: JobSeq,
}

impl Putter {
    fn put(
        &mut self,
        trial: &mut Trial,
        journal: &mut Journal<FaultyDisk>,
        size: usize,
    ) -> Result<(), CommitError> {
        let content = Content {
            headers: Bytes::new(),
            payload: Bytes::from(vec![7; size]),
        };
        let put = jobs_added(self.next, vec![content]);
        self.next = self.next.plus(1);
        trial.commit_all(journal, vec![put]).map(|_| ())
    }
}

fn started(options: JournalOptions) -> (FaultyDisk, Trial, Journal<FaultyDisk>, Putter) {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = Journal::on(disk.clone(), options);
    trial.load(&mut journal).unwrap();
    let putter = Putter { next: JobSeq(1) };
    (disk, trial, journal, putter)
}

/// Waits until the planned fault has met the sync in the background.
fn wait_for_failure(disk: &FaultyDisk) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !disk.has_failed() {
        assert!(Instant::now() < patience, "nothing was synced");
        std::thread::yield_now();
    }
}

/// Everything written is found after a kill, and after a power cut following that start.
fn a_start_makes_everything_durable(disk: &FaultyDisk, trial: &mut Trial) {
    disk.kill();
    drop(loaded(trial, disk));
    for seed in 0..20 {
        let (survivor, mut trial) = (disk.fork(), trial.clone());
        survivor.crash(seed);
        let mut journal = loaded(&mut trial, &survivor);
        trial.check_contents(&mut journal).unwrap();
    }
}

#[test]
fn no_segment_begins_after_a_failed_sync_in_the_background() {
    let (disk, mut trial, mut journal, mut putter) = started(BEHIND);
    disk.fail_at(1, Fault::FailedSync);
    putter.put(&mut trial, &mut journal, 100).unwrap();
    wait_for_failure(&disk);
    let names = disk.names();
    // It fits no segment that has anything in it.
    let error = putter.put(&mut trial, &mut journal, 8_000).unwrap_err();
    assert!(error.to_string().contains("cannot sync"), "{error}");
    assert_eq!(disk.names(), names, "no segment was begun");
    a_start_makes_everything_durable(&disk, &mut trial);
}

#[test]
fn nothing_is_trimmed_after_a_failed_sync_in_the_background() {
    let (disk, mut trial, mut journal, mut putter) = started(BEHIND);
    for _ in 0..40 {
        putter.put(&mut trial, &mut journal, 1_000).unwrap();
    }
    let jobs = trial.model().kept();
    let end = Transition::JobsRemoved { jobs };
    trial.commit_all(&mut journal, vec![end]).unwrap();
    let Compaction::RestateLedger { .. } = journal.compact().unwrap() else {
        panic!("nothing is alive in the oldest segment");
    };
    disk.fail_at(1, Fault::FailedSync);
    let ledger = trial.model().restate_ledger(|_| true);
    trial.commit_all(&mut journal, ledger).unwrap();
    wait_for_failure(&disk);
    let names = disk.names();
    let error = journal.compact().unwrap_err();
    assert!(error.to_string().contains("cannot sync"), "{error}");
    assert_eq!(disk.names(), names, "no segment was removed");
    a_start_makes_everything_durable(&disk, &mut trial);
}

/// A sync may succeed although the disk has lost something, when nothing in this process
/// ever got the error. Then the next start must not rely on the cache, in no segment.
#[test]
fn a_start_writes_again_what_no_frame_knows_to_be_synced_in_any_segment() {
    let policy = JournalOptions {
        sync: SyncPolicy::Os,
        ..SMALL
    };
    let mut begun = 0;
    for n in 1.. {
        let (disk, mut trial, mut journal, mut putter) = started(policy);
        putter.put(&mut trial, &mut journal, 3_000).unwrap();
        disk.fail_at(1, Fault::FailedSync);
        let first = disk.open("0000000001.seg").unwrap();
        first.sync_data().unwrap_err();
        // It ends somewhere while a second segment begins, and has no frame yet.
        disk.fail_at(n, Fault::Io);
        let put = putter.put(&mut trial, &mut journal, 7_000);
        let is_written = put.map_or_else(|error| error.to_string().contains("spare"), |()| true);
        if is_written {
            break;
        }
        let second = disk.read_file("0000000002.seg");
        begun += usize::from(second.is_some());
        drop(journal);
        a_start_makes_everything_durable(&disk, &mut trial);
    }
    assert!(begun > 0, "the second segment was never begun");
}
