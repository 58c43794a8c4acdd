//! Bytes that are not what was written are never served and never silently dropped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;
use leaseq_store::conformance::{Trial, Workload, jobs_added};
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
    let zeros = FRAME_HEADER_BYTES as u64;
    let (garbage, longer) = (b"LSQF and no more", &[0xff; 500]);
    let cases: [(u64, &[u8]); 4] = [(0, &[1]), (24, garbage), (zeros - 1, &[1]), (24, longer)];
    for (behind, garbage) in cases {
        let disk = stopped.fork();
        write_at(&disk, &stopped.last.0, end + behind, garbage);
        let mut trial = stopped.trial.clone();
        let mut journal = journal(&disk);
        let found = trial.load(&mut journal).unwrap();
        assert_eq!(found.torn_bytes, zeros, "{behind}: {found:?}");
        drop(journal);
        let again = trial.load(&mut support::journal(&disk)).unwrap();
        assert_eq!(again.torn_bytes, 0, "once");
    }
}

fn write_at(disk: &FaultyDisk, name: &str, at: u64, written: &[u8]) {
    let mut bytes = disk.read_file(name).unwrap();
    let at = at as usize;
    bytes[at..at + written.len()].copy_from_slice(written);
    disk.write_file(name, bytes);
}

/// Between two batches, too, where all that is left of it looks right, and where only
/// zeros are gone.
#[test]
fn a_file_cut_short_is_refused() {
    let stopped = stopped();
    let mut random = Workload::new(2, 0);
    let (last, batch) = &stopped.last;
    let ends = [batch.start, batch.start + 60, batch.end.next_multiple_of(8)];
    let mut cuts: Vec<(String, usize)> = ends.map(|at| (last.clone(), at as usize)).into();
    for name in segments(&stopped.disk) {
        // A batch that fits no segment makes its segment longer than it was made.
        let len = SMALL.segment_bytes as usize;
        let lens = [0, 10, 63, 64, random.below(len), random.below(len), len - 1];
        cuts.extend(lens.map(|keep| (name.clone(), keep)));
    }
    for (name, keep) in cuts {
        let disk = stopped.fork();
        disk.truncate(&name, keep);
        let error = stopped.refused(&disk);
        assert!(place(&error).0.ends_with(&name), "{error}");
        if keep >= 64 {
            let text = error.to_string();
            assert!(text.contains("is shorter than it was made"), "{text}");
        }
    }
}

/// Where fields of a frame header are, and the salt in a segment's.
const FRAME_FIELDS_AT: usize = 8;
const FRAME_POSITION_AT: usize = 24;
const FRAME_EPOCH_AT: usize = 32;
const SALT_AT: usize = 48;
const FRAME_HEADER_BYTES: usize = 56;

/// A frame header that says that everything was synced, as whoever does not know the
/// salt would make it.
fn crafted_header() -> Vec<u8> {
    let mut fields = vec![0; FRAME_HEADER_BYTES - FRAME_FIELDS_AT];
    fields[0] = 1;
    fields[32 - FRAME_FIELDS_AT..].fill(0x7f);
    let mut header = b"LSQF".to_vec();
    header.extend_from_slice(&crc32c::crc32c(&fields).to_le_bytes());
    header.extend_from_slice(&fields);
    header
}

#[test]
fn a_payload_that_looks_like_a_frame_does_not_stop_a_start() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let mut workload = Workload::new(4, 500);
    run(&mut trial, &mut journal, &mut workload, 3).unwrap();
    let kept = trial.clone();
    let name = segments(&disk).last().unwrap().clone();
    let before = disk.read_file(&name).unwrap();
    // A byte more than a header each: one of eight is where a frame may begin.
    let mut payload = Vec::new();
    for _ in 0..8 {
        payload.extend(crafted_header());
        payload.push(0);
    }
    let content = Content {
        headers: Bytes::new(),
        payload: payload.into(),
    };
    let added = jobs_added(JobSeq(1 << 40), vec![content]);
    trial.commit_all(&mut journal, vec![added]).unwrap();
    drop(journal);
    disk.kill();
    let mut torn = disk.read_file(&name).unwrap();
    let differ = |at: &usize| before.get(*at) != torn.get(*at);
    let frame = (0..torn.len()).find(differ).unwrap();
    torn[frame..frame + FRAME_HEADER_BYTES].fill(0);
    disk.write_file(&name, torn);
    let mut trial = kept;
    let found = trial.load(&mut support::journal(&disk)).unwrap();
    assert_eq!(found.next, trial.next());
}

/// The last batch once more behind itself, as a writer of this epoch would have it.
fn repeated(stopped: &Stopped, epoch: u64) -> FaultyDisk {
    let (name, range) = &stopped.last;
    let disk = stopped.fork();
    let mut bytes = disk.read_file(name).unwrap();
    let salt = u32::from_le_bytes(bytes[SALT_AT..SALT_AT + 4].try_into().unwrap());
    let (from, end) = (range.start as usize, range.end.next_multiple_of(8) as usize);
    let mut frame = bytes[from..end].to_vec();
    let next = stopped.trial.next().0;
    frame[FRAME_POSITION_AT..FRAME_POSITION_AT + 8].copy_from_slice(&next.to_le_bytes());
    frame[FRAME_EPOCH_AT..FRAME_EPOCH_AT + 8].copy_from_slice(&epoch.to_le_bytes());
    let crc = crc32c::crc32c_append(salt, &frame[FRAME_FIELDS_AT..FRAME_HEADER_BYTES]);
    frame[4..FRAME_FIELDS_AT].copy_from_slice(&crc.to_le_bytes());
    bytes[end..end + frame.len()].copy_from_slice(&frame);
    disk.write_file(name, bytes);
    disk
}

#[test]
fn a_leftover_of_an_earlier_start_is_no_batch() {
    let stopped = stopped();
    let disk = repeated(&stopped, 0);
    let mut trial = stopped.trial.clone();
    let found = trial.load(&mut journal(&disk)).unwrap();
    assert!(found.torn_bytes > 0, "{found:?}");
    // Of this start, it would have been one.
    let mut batches = 0;
    let mut count = |_, _| {
        batches += 1;
        Ok(())
    };
    let found = journal(&repeated(&stopped, 1)).load(&mut count).unwrap();
    assert_eq!(found.next.0, stopped.trial.next().0 + 1);
    assert_eq!(found.torn_bytes, 0);
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
    let help = "; the data directory was not changed. `leaseq doctor /faulty` shows what is in \
                it, and `leaseq doctor /faulty --salvage OUT` writes what can be saved to a new \
                one";
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
