//! A journal whose end is missing is noticed by its head record, which itself never keeps
//! a sound journal from starting.

#![allow(clippy::unwrap_used)] // A test may panic.

mod support;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;
use leaseq_store::conformance::{Trial, jobs_added};
use leaseq_store::disk::{Disk, Fault, FaultyDisk};
use leaseq_store::{CommitError, Journal, JournalOptions, Position, Store, StoreError};
use support::{SMALL, journal, loaded};

/// Starts without what is missing.
const ACCEPT_LOSS: JournalOptions = JournalOptions {
    accept_loss: true,
    ..SMALL
};

/// Puts jobs of a kilobyte: about seven in a segment.
fn put(trial: &mut Trial, journal: &mut Journal<FaultyDisk>, jobs: u64) -> Result<(), CommitError> {
    for _ in 0..jobs {
        let content = Content {
            headers: Bytes::new(),
            payload: Bytes::from(vec![7; 1_000]),
        };
        let put = jobs_added(JobSeq(trial.next().0 + 1), vec![content]);
        trial.commit_all(journal, vec![put])?;
    }
    Ok(())
}

/// A stopped journal of several segments, of which nothing was removed.
fn stopped() -> (FaultyDisk, Trial) {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    put(&mut trial, &mut journal, 30).unwrap();
    drop(journal);
    disk.kill();
    (disk, trial)
}

fn segments(disk: &FaultyDisk) -> Vec<String> {
    let mut names = disk.names();
    names.retain(|name| name.ends_with(".seg"));
    names
}

fn files(disk: &FaultyDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let names = disk.names().into_iter();
    names
        .map(|name| (name.clone(), disk.read_file(&name)))
        .collect()
}

/// The words of a start that must be refused, and must change nothing.
fn refused(disk: &FaultyDisk) -> String {
    let before = files(disk);
    let error = journal(disk).load(&mut |_, _| Ok(())).unwrap_err();
    assert_eq!(files(disk), before, "nothing was changed: {error}");
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_start_without_the_newest_segments_is_refused_unless_told_to_go_on() {
    let (disk, mut trial) = stopped();
    let mut names = segments(&disk);
    assert!(names.len() > 3, "{names:?}");
    let newest = names.last().cloned().unwrap();
    trial.forgive(Position(0));
    while let Some(name) = names.pop() {
        Disk::remove(&disk, &name).unwrap();
        let text = refused(&disk);
        assert!(text.contains(&newest), "what was there: {text}");
        assert!(text.contains("--accept-loss"), "what to do: {text}");
        if let Some(found) = names.last() {
            assert!(text.contains(found), "what is there: {text}");
        }
        // Also where nothing is left but the record.
        let (disk, mut trial) = (disk.fork(), trial.clone());
        let mut journal = Journal::on(disk.clone(), ACCEPT_LOSS);
        let found = trial.load(&mut journal).unwrap();
        let loss = found.loss.expect("it is told");
        assert_eq!(loss.batches_found, found.next);
        put(&mut trial, &mut journal, 10).unwrap();
        drop(journal);
        // Once is enough.
        disk.crash(1);
        let mut journal = support::journal(&disk);
        assert_eq!(trial.load(&mut journal).unwrap().loss, None);
        trial.check_contents(&mut journal).unwrap();
    }
}

#[test]
fn an_end_that_is_missing_in_the_newest_segment_is_noticed() {
    let (disk, mut trial) = stopped();
    let newest = segments(&disk).pop().unwrap();
    let before = disk.read_file(&newest).unwrap();
    let mut journal = loaded(&mut trial, &disk);
    put(&mut trial, &mut journal, 1).unwrap();
    assert_eq!(segments(&disk).pop(), Some(newest.clone()), "it fits");
    drop(journal);
    // This start has found the batch.
    drop(loaded(&mut trial, &disk));
    // A copy from before it is put back.
    disk.write_file(&newest, before);
    let text = refused(&disk);
    assert!(text.contains(&newest) && text.contains("ends"), "{text}");
}

#[test]
fn a_directory_without_a_head_record_is_accepted_and_gets_one() {
    let (disk, mut trial) = stopped();
    Disk::remove(&disk, "HEAD").unwrap();
    assert_eq!(trial.load(&mut journal(&disk)).unwrap().loss, None);
    Disk::remove(&disk, &segments(&disk).pop().unwrap()).unwrap();
    refused(&disk);
}

#[test]
fn a_damaged_head_record_is_passed_over_for_the_one_before_or_named() {
    let (disk, trial) = stopped();
    let bits = disk.read_file("HEAD").unwrap().len() as u64 * 8;
    let record_bits = |place: u64| place..place + 64 * 8;
    let both = [0, bits / 2].map(record_bits);
    for bit in both.clone().into_iter().flatten() {
        let (disk, mut trial) = (disk.fork(), trial.clone());
        disk.flip_bit("HEAD", bit);
        trial.load(&mut journal(&disk)).unwrap();
    }
    for mut record in both {
        disk.flip_bit("HEAD", record.nth(99).unwrap());
    }
    let error = journal(&disk).load(&mut |_, _| Ok(())).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("HEAD is damaged at byte"), "{text}");
}

/// From the first start on: the record is made, written twice, and a segment begins.
#[test]
fn a_power_cut_at_any_operation_leaves_no_record_that_refuses_a_start() {
    let mut cuts = 0;
    for n in 1.. {
        let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
        disk.fail_at(n, Fault::PowerCut);
        let mut journal = journal(&disk);
        let lived = trial.load(&mut journal).map_err(CommitError::from);
        let lived = lived.and_then(|_| put(&mut trial, &mut journal, 16));
        drop(journal);
        if lived.is_ok() {
            break;
        }
        cuts += 1;
        for seed in 0..10 {
            let (survivor, mut trial) = (disk.fork(), trial.clone());
            survivor.crash(seed);
            drop(loaded(&mut trial, &survivor));
            survivor.crash(seed + 1);
            drop(loaded(&mut trial, &survivor));
        }
    }
    assert!(cuts > 50, "{cuts} power cuts");
}
