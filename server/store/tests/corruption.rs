//! Bytes that are not what was written are never served and never silently dropped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use std::ops::Range;
use std::path::PathBuf;

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Journal, Position, Store, StoreError};
use support::{SMALL, journal, loaded, run};

/// Where the version is in a segment, and the checksum of its header.
const VERSION_AT: usize = 8;
const HEADER_CRC_AT: usize = 60;

/// A stopped journal of several segments.
struct Stopped {
    disk: FaultyDisk,
    trial: Trial,
    /// Where its last batch is.
    last: (String, Range<u64>),
}

fn stopped() -> Stopped {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let mut workload = Workload::new(3, 2_500);
    run(&mut trial, &mut journal, &mut workload, 60).unwrap();
    while segments(&disk).len() < 5 {
        let batch = workload.next(trial.model());
        trial.commit(&mut journal, batch).unwrap();
    }
    run(&mut trial, &mut journal, &mut workload, 3).unwrap();
    let names = segments(&disk);
    let before = disk.read_file(names.last().unwrap()).unwrap();
    let batch = workload.next(trial.model());
    trial.commit(&mut journal, batch).unwrap();
    assert_eq!(segments(&disk), names, "the last batch begins no segment");
    let name = names.last().unwrap().clone();
    let after = disk.read_file(&name).unwrap();
    let differ = |at: &usize| before.get(*at) != after.get(*at);
    let from = (0..after.len()).find(differ).unwrap();
    let to = (0..after.len()).rfind(differ).unwrap() + 1;
    drop(journal);
    disk.kill();
    Stopped {
        disk,
        trial,
        last: (name, from as u64..to as u64),
    }
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

/// What a journal made of the damage.
#[derive(Debug)]
enum Answer {
    Refused(StoreError),
    /// It has everything that was committed, and so many contents give an error.
    Served {
        errors: usize,
    },
    /// It has all but the last batch, and told of bytes that it cut.
    Cut,
}

impl Stopped {
    fn fork(&self) -> FaultyDisk {
        self.disk.fork()
    }

    /// Starts on the damaged disk. Panics if anything wrong is served, or anything
    /// changed that was refused.
    fn start(&self, disk: &FaultyDisk) -> Answer {
        let mut trial = self.trial.clone();
        // A damaged last batch cannot be told from one that was never finished.
        trial.forgive(Position(trial.next().0 - 1));
        let before = files(disk);
        let mut journal = journal(disk);
        let loaded = match trial.load(&mut journal) {
            Ok(loaded) => loaded,
            Err(error) => {
                assert_eq!(files(disk), before, "nothing was changed: {error}");
                return Answer::Refused(error);
            }
        };
        let errors = trial.check_contents_or_errors(&mut journal);
        // Writing it again must not make it look right.
        let restated = trial.model().restate_jobs(&trial.model().kept());
        if trial.commit_all(&mut journal, restated).is_ok() {
            assert_eq!(errors, 0, "what cannot be read cannot be written again");
            trial.check_contents(&mut journal).unwrap();
        }
        if loaded.next < self.trial.next() {
            assert!(loaded.torn_bytes > 0, "it was told");
            return Answer::Cut;
        }
        Answer::Served { errors }
    }

    fn refused(&self, disk: &FaultyDisk) -> StoreError {
        match self.start(disk) {
            Answer::Refused(error) => error,
            answer @ (Answer::Served { .. } | Answer::Cut) => panic!("{answer:?}"),
        }
    }
}

/// The file and the place of damage that was found.
fn place(error: &StoreError) -> (PathBuf, u64) {
    let StoreError::Damaged { path, offset, .. } = error else {
        panic!("{error}");
    };
    (path.clone(), *offset)
}

#[test]
fn a_flipped_bit_is_never_served_and_never_dropped_in_silence() {
    let stopped = stopped();
    let mut random = Workload::new(1, 0);
    let (mut refused, mut unreadable, mut cut) = (0, 0, 0);
    for name in segments(&stopped.disk) {
        let len = stopped.disk.read_file(&name).unwrap().len();
        for _ in 0..50 {
            let at = random.below(len) as u64;
            let disk = stopped.fork();
            disk.flip_bit(&name, at * 8 + random.below(8) as u64);
            let is_last = stopped.last.0 == name && stopped.last.1.contains(&at);
            match stopped.start(&disk) {
                Answer::Refused(error) => {
                    let (path, offset) = place(&error);
                    assert!(path.ends_with(&name), "{error}");
                    assert!(offset <= at, "byte {at}: {error}");
                    refused += 1;
                }
                Answer::Served { errors } => unreadable += usize::from(errors > 0),
                Answer::Cut => {
                    assert!(is_last, "{name} byte {at} is not in the last batch");
                    cut += 1;
                }
            }
        }
    }
    assert!(
        refused > 20 && unreadable > 5,
        "{refused} refused, {unreadable} unreadable"
    );
    // Each byte of the last batch: chance may have passed it by.
    for at in stopped.last.1.clone().step_by(7) {
        let disk = stopped.fork();
        disk.flip_bit(&stopped.last.0, at * 8 + at % 8);
        cut += usize::from(matches!(stopped.start(&disk), Answer::Cut));
    }
    assert!(cut > 0);
}

#[test]
fn garbage_behind_the_last_batch_is_cut_and_counted() {
    let stopped = stopped();
    let end = stopped.last.1.end.next_multiple_of(8);
    for garbage in [vec![1], b"LSQF and no more".to_vec(), vec![0xff; 500]] {
        let disk = stopped.fork();
        let mut bytes = disk.read_file(&stopped.last.0).unwrap();
        let at = end as usize + 24;
        bytes[at..at + garbage.len()].copy_from_slice(&garbage);
        disk.write_file(&stopped.last.0, bytes);
        let mut trial = stopped.trial.clone();
        let mut journal = journal(&disk);
        let found = trial.load(&mut journal).unwrap();
        let garbage_end = 24 + garbage.len() as u64;
        assert!(
            (1..=garbage_end + 8).contains(&found.torn_bytes),
            "{found:?}"
        );
        drop(journal);
        let again = trial.load(&mut support::journal(&disk)).unwrap();
        assert_eq!(again.torn_bytes, 0, "once");
    }
}

#[test]
fn a_file_cut_short_is_refused_or_costs_the_end_alone() {
    let stopped = stopped();
    let names = segments(&stopped.disk);
    let (last, others) = names.split_last().unwrap();
    let mut random = Workload::new(2, 0);
    for name in others {
        for _ in 0..10 {
            let disk = stopped.fork();
            let keep = random.below(4_000);
            let bytes = disk.read_file(name).unwrap();
            disk.truncate(name, keep);
            if bytes[keep..].iter().all(|byte| *byte == 0) {
                // Nothing is lost with it.
                assert!(matches!(stopped.start(&disk), Answer::Served { errors: 0 }));
                continue;
            }
            let error = stopped.refused(&disk);
            // The file itself, or the next one, which does not go on where it ends.
            let (path, _) = place(&error);
            let number = |path: &str| path.trim_end_matches(".seg").parse::<u64>().unwrap();
            let found = number(path.file_name().unwrap().to_str().unwrap());
            assert!((0..=1).contains(&(found - number(name))), "{name}: {error}");
        }
    }
    for keep in [0, 10, 63] {
        let disk = stopped.fork();
        disk.truncate(last, keep);
        assert!(place(&stopped.refused(&disk)).0.ends_with(last));
    }
    // Inside the last batch.
    let disk = stopped.fork();
    disk.truncate(last, stopped.last.1.start as usize + 60);
    assert!(matches!(stopped.start(&disk), Answer::Cut));
}

#[test]
fn a_segment_that_is_missing_or_in_another_place_is_noticed() {
    let stopped = stopped();
    let names = segments(&stopped.disk);
    let (last, others) = names.split_last().unwrap();
    for name in others {
        let disk = stopped.fork();
        leaseq_store::disk::Disk::remove(&disk, name).unwrap();
        let text = stopped.refused(&disk).to_string();
        assert!(text.contains(".seg is damaged at byte 0"), "{text}");
    }
    let disk = stopped.fork();
    disk.write_file(last, disk.read_file(&names[0]).unwrap());
    let text = stopped.refused(&disk).to_string();
    assert!(text.contains("it says it is segment"), "{text}");
}

#[test]
fn damage_is_told_in_words_that_help() {
    let stopped = stopped();
    let name = &segments(&stopped.disk)[1];
    let disk = stopped.fork();
    disk.flip_bit(name, 8 * 70);
    let text = stopped.refused(&disk).to_string();
    let expected = format!("/faulty/{name} is damaged at byte 64: ");
    assert!(text.starts_with(&expected), "{text}");
    let help = "; nothing was changed. Run `leaseq doctor /faulty` to see what can be saved";
    assert!(text.ends_with(help), "{text}");
}

#[test]
fn files_of_others_are_left_alone() {
    let stopped = stopped();
    let disk = stopped.fork();
    disk.write_file("README", b"mine".to_vec());
    disk.write_file("1.seg", b"mine too".to_vec());
    assert!(matches!(stopped.start(&disk), Answer::Served { errors: 0 }));
    assert_eq!(disk.read_file("README").unwrap(), b"mine");
    assert_eq!(disk.read_file("1.seg").unwrap(), b"mine too");
}

#[test]
fn a_newer_format_is_refused_untouched() {
    let stopped = stopped();
    for name in segments(&stopped.disk) {
        let disk = stopped.fork();
        let mut bytes = disk.read_file(&name).unwrap();
        bytes[VERSION_AT] = 9;
        let crc = crc32c::crc32c(&bytes[..HEADER_CRC_AT]).to_le_bytes();
        bytes[HEADER_CRC_AT..HEADER_CRC_AT + 4].copy_from_slice(&crc);
        disk.write_file(&name, bytes);
        let error = stopped.refused(&disk);
        assert!(
            matches!(error, StoreError::Newer { found: 9, .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("start the newer leaseq again"), "{text}");
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Journal::open(dir.path(), SMALL).unwrap();
    first.load(&mut |_, _| Ok(())).unwrap();
    let text = Journal::open(dir.path(), SMALL).unwrap_err().to_string();
    assert!(text.contains("in use by another process"), "{text}");
    drop(first);
    Journal::open(dir.path(), SMALL).unwrap();
}
