//! A disk that says no: nothing is acknowledged after an error, nothing acknowledged
//! is lost, and a full disk still takes what makes room.

#![allow(clippy::unwrap_used)] // A test may panic.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, Transition};
use leaseq_store::conformance::{Trial, Workload, jobs_added};
use leaseq_store::disk::{Fault, FaultyDisk};
use leaseq_store::{
    Batch, CommitError, Compaction, Journal, JournalOptions, Position, Space, Store, StoreError,
};
use support::{SMALL, journal, loaded, run};

/// What a planned fault led to.
struct Fallout {
    /// It came.
    happened: bool,
    /// The journal told.
    failed: bool,
}

/// Loads and runs with a fault planned, on a disk in the middle of its life.
fn run_into(fault: Fault, n: u64, disk: &FaultyDisk, trial: &mut Trial) -> Fallout {
    let mut workload = Workload::new(n, 2_000);
    let mut journal = loaded(trial, disk);
    run(trial, &mut journal, &mut workload, 12).unwrap();
    drop(journal);
    disk.fail_at(n, fault);
    let failed = match journal_that_may_fail(trial, disk) {
        Err(_) => true,
        Ok(mut journal) => {
            let answer = run(trial, &mut journal, &mut workload, 25);
            if answer.is_err() {
                nothing_is_accepted_any_more(trial, &mut journal);
            }
            answer.is_err()
        }
    };
    let happened = disk.has_failed();
    disk.heal();
    Fallout { happened, failed }
}

fn journal_that_may_fail(
    trial: &mut Trial,
    disk: &FaultyDisk,
) -> Result<Journal<FaultyDisk>, StoreError> {
    let mut journal = journal(disk);
    trial.load(&mut journal)?;
    Ok(journal)
}

/// The disk would do it: the journal must not.
fn nothing_is_accepted_any_more(trial: &Trial, journal: &mut Journal<FaultyDisk>) {
    let before = trial.next();
    for at in [before, Position(before.0 - 1)] {
        let answer = journal.commit(trial.epoch(), at, Batch::default());
        assert!(
            matches!(answer, Err(CommitError::Store(StoreError::Failed))),
            "{answer:?}"
        );
    }
    let answer = journal.compact();
    assert!(matches!(answer, Err(StoreError::Failed)), "{answer:?}");
}

/// Fails each operation in turn, then starts again, and again after a power cut.
fn any_one_fails(fault: Fault) {
    let mut failures = 0;
    for n in 1.. {
        let disk = FaultyDisk::new();
        let mut trial = Trial::new();
        let fallout = run_into(fault, n, &disk, &mut trial);
        if !fallout.happened {
            break;
        }
        failures += usize::from(fallout.failed);
        disk.kill();
        let mut journal = loaded(&mut trial, &disk);
        trial.check_contents(&mut journal).unwrap();
        // What this start found counts, even if it was never acknowledged before: a
        // sync that failed once must not be what makes it durable.
        let more = trial.model().restate_ledger(|_| true);
        trial.commit_all(&mut journal, more).unwrap();
        for seed in n..n + 4 {
            let (survivor, mut trial) = (disk.fork(), trial.clone());
            survivor.crash(seed);
            let mut journal = loaded(&mut trial, &survivor);
            trial.check_contents(&mut journal).unwrap();
        }
    }
    assert!(failures > 50, "{failures} failures");
}

#[test]
fn an_io_error_at_any_operation_loses_nothing_acknowledged() {
    any_one_fails(Fault::Io);
}

#[test]
fn a_torn_write_at_any_moment_loses_nothing_acknowledged() {
    any_one_fails(Fault::TornWrite);
}

#[test]
fn a_write_without_room_loses_nothing_acknowledged() {
    any_one_fails(Fault::NoSpace);
}

#[test]
fn a_sync_that_fails_behind_the_commits_ends_them() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let sync = "interval:1ms".parse().unwrap();
    let mut journal = Journal::on(disk.clone(), JournalOptions { sync, ..SMALL });
    trial.load(&mut journal).unwrap();
    let mut workload = Workload::new(1, 100);
    run(&mut trial, &mut journal, &mut workload, 3).unwrap();
    disk.fail_at(1, Fault::FailedSync);
    let patience = Instant::now() + Duration::from_secs(20);
    let error = loop {
        let by = Duration::from_secs(1);
        if let Err(error) = trial.commit_all(&mut journal, vec![Transition::Stalled { by }]) {
            break error;
        }
        // Then the journal may need a moment more to know of it.
        while !disk.has_failed() {
            assert!(Instant::now() < patience, "nobody has synced");
            std::thread::yield_now();
        }
        assert!(Instant::now() < patience, "nobody has noticed");
    };
    assert!(error.to_string().contains("sync"), "{error}");
    nothing_is_accepted_any_more(&trial, &mut journal);
    // A kill is no power cut: what was written is there.
    disk.kill();
    loaded(&mut trial, &disk);
}

/// A journal that has taken jobs until there was no more room for them, and the
/// number of the next job.
fn filled(trial: &mut Trial, disk: &FaultyDisk) -> (Journal<FaultyDisk>, u64) {
    disk.capacity(8 * SMALL.segment_bytes);
    let mut journal = loaded(trial, disk);
    for next in (1..).step_by(2) {
        let content = || Content {
            headers: Bytes::new(),
            payload: Bytes::from(vec![7; 300]),
        };
        let put = jobs_added(JobSeq(next), vec![content(), content()]);
        let committed = trial.commit_all(&mut journal, vec![put]).unwrap();
        if committed.report.space == Space::Reserve {
            return (journal, next + 2);
        }
    }
    unreachable!("a disk is full some day")
}

/// Compacts until there is room again.
fn wait_for_room(trial: &mut Trial, journal: &mut Journal<FaultyDisk>) {
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        trial.compact(journal, 100).unwrap();
        if let Compaction::Idle(report) = journal.compact().unwrap()
            && report.space == Space::Enough
        {
            return;
        }
        std::thread::yield_now();
    }
    panic!("there is room, and the journal does not find it");
}

#[test]
fn a_full_disk_is_told_before_anything_fails_and_settling_makes_room() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let (mut journal, next) = filled(&mut trial, &disk);
    for job in 1..next {
        let end = Transition::JobsRemoved {
            jobs: vec![JobSeq(job)],
        };
        trial
            .commit_all(&mut journal, vec![end])
            .expect("what ends jobs still goes");
        // The shard calls it whenever it has time.
        trial.compact(&mut journal, 3).unwrap();
        trial.check_contents(&mut journal).unwrap();
    }
    wait_for_room(&mut trial, &mut journal);
    assert!(disk.used() <= 4 * SMALL.segment_bytes);
    let put = jobs_added(JobSeq(next), vec![Content::default()]);
    let committed = trial.commit_all(&mut journal, vec![put]).unwrap();
    assert_eq!(committed.report.space, Space::Enough);
    disk.crash(5);
    loaded(&mut trial, &disk);
}

#[test]
fn a_disk_that_was_made_larger_is_used_without_a_restart() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let (mut journal, _) = filled(&mut trial, &disk);
    let Compaction::Idle(report) = journal.compact().unwrap() else {
        panic!("all of it is live");
    };
    assert_eq!(report.space, Space::Reserve);
    disk.capacity(u64::MAX);
    wait_for_room(&mut trial, &mut journal);
    trial.check_contents(&mut journal).unwrap();
}

#[test]
fn a_server_starts_on_a_full_disk() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    drop(filled(&mut trial, &disk));
    disk.crash(3);
    let mut journal = loaded(&mut trial, &disk);
    trial.check_contents(&mut journal).unwrap();
    let ledger = trial.model().restate_ledger(|_| true);
    let committed = trial.commit_all(&mut journal, ledger).unwrap();
    assert_eq!(committed.report.space, Space::Reserve);
}
