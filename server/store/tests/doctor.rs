//! `leaseq doctor` finds what a start would stumble over, and what it would not see,
//! and changes nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::doctor::{Findings, examine};
use leaseq_store::{Journal, StoreError};
use support::{SMALL, loaded};

/// A stopped journal of four segments, and how many batches are in it.
fn stopped() -> (tempfile::TempDir, u64) {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let mut workload = Workload::new(6, 2_500);
    let segments = |disk: &FaultyDisk| {
        let names = disk.names().into_iter();
        names.filter(|name| name.ends_with(".seg")).count()
    };
    while segments(&disk) < 4 {
        let batch = workload.next(trial.model());
        trial.commit(&mut journal, batch).unwrap();
    }
    let batch = workload.next(trial.model());
    trial.commit(&mut journal, batch).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in disk.names() {
        fs::write(dir.path().join(&name), disk.read_file(&name).unwrap()).unwrap();
    }
    (dir, trial.next().0)
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| file(entry.unwrap()))
        .collect()
}

/// What is found, which must change nothing.
fn found(dir: &Path) -> Findings {
    let before = files(dir);
    let findings = examine(dir, &mut |_, _| Ok(())).unwrap();
    assert_eq!(files(dir), before, "nothing was changed");
    findings
}

#[test]
fn a_sound_directory_is_sound() {
    let (dir, batches) = stopped();
    let findings = found(dir.path());
    assert!(findings.problem.is_none(), "{findings:?}");
    assert_eq!(findings.torn, None);
    assert_eq!(findings.starts, 1);
    assert_eq!(findings.segments.len(), 4);
    let counted: u64 = findings
        .segments
        .iter()
        .map(|segment| segment.batches)
        .sum();
    assert_eq!(counted, batches);
    for segment in &findings.segments {
        assert!(
            segment.used > 64 && segment.used <= segment.bytes,
            "{segment:?}"
        );
    }
}

/// A flipped bit is found wherever it matters: in the batches themselves, and in the
/// contents of live jobs. The contents of jobs that have ended condemn nothing.
#[test]
fn a_flipped_bit_anywhere_is_found_unless_nobody_needs_it() {
    let (dir, _) = stopped();
    let used = found(dir.path()).segments;
    let originals = files(dir.path());
    let mut random = Workload::new(4, 0);
    let (mut unseen, mut of_jobs) = (0, 0);
    for segment in used {
        for _ in 0..25 {
            let at = random.below(usize::try_from(segment.used).unwrap());
            let mut bytes = originals[&segment.name].clone();
            bytes[at] ^= 1 << random.below(8);
            fs::write(dir.path().join(&segment.name), &bytes).unwrap();
            let findings = found(dir.path());
            let place = match findings.problem {
                Some(StoreError::Damaged { path, offset, .. }) => {
                    Some((path.file_name().unwrap().to_owned(), offset))
                }
                Some(other) => panic!("{other}"),
                None => findings.torn.map(|(name, offset, _)| (name.into(), offset)),
            };
            if let Some(content) = findings.damaged.first() {
                assert!(place.is_none(), "a damaged content does not stop a start");
                assert!(content.path.ends_with(&segment.name), "{content}");
                assert!(content.offset <= at as u64, "byte {at}: {content}");
                of_jobs += 1;
                continue;
            }
            match place {
                Some((name, offset)) => {
                    assert_eq!(name, *segment.name);
                    assert!(offset <= at as u64, "byte {at}, found at {offset}");
                }
                None => unseen += 1,
            }
        }
        fs::write(dir.path().join(&segment.name), &originals[&segment.name]).unwrap();
    }
    assert!(of_jobs > 10, "{of_jobs} in contents that are needed");
    // Most of these jobs have ended.
    assert!(unseen < 75, "{unseen} flipped bits were not seen");
}

#[test]
fn a_torn_end_is_no_problem_and_is_left_for_the_next_start() {
    let (dir, _) = stopped();
    let last = found(dir.path()).segments.pop().unwrap();
    let path = dir.path().join(&last.name);
    let mut bytes = fs::read(&path).unwrap();
    let at = usize::try_from(last.used).unwrap();
    bytes[at..at + 9].copy_from_slice(b"unwritten");
    fs::write(&path, bytes).unwrap();
    let findings = found(dir.path());
    assert!(findings.problem.is_none(), "{findings:?}");
    // The place of a batch's header is all that is known of it.
    assert_eq!(findings.torn, Some((last.name, last.used, 56)));
}

#[test]
fn what_a_replay_refuses_is_a_problem() {
    let (dir, _) = stopped();
    let findings = examine(dir.path(), &mut |_, _| Err("job 7 is purple".into())).unwrap();
    let text = findings.problem.unwrap().to_string();
    assert!(text.contains("job 7 is purple"), "{text}");
}

#[test]
fn a_directory_in_use_or_not_there_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), SMALL).unwrap();
    let text = examine(dir.path(), &mut |_, _| Ok(()))
        .unwrap_err()
        .to_string();
    assert!(text.contains("in use by another process"), "{text}");
    drop(journal);
    let missing = dir.path().join("none");
    let text = examine(&missing, &mut |_, _| Ok(()))
        .unwrap_err()
        .to_string();
    assert!(
        text.ends_with("none is not there: check the path"),
        "{text}"
    );
    assert!(!missing.exists());
}

#[test]
fn a_newest_segment_that_is_missing_is_a_problem() {
    let (dir, _) = stopped();
    fs::remove_file(dir.path().join("0000000004.seg")).unwrap();
    let findings = found(dir.path());
    assert_eq!(findings.segments.len(), 3);
    let problem = findings.problem.unwrap();
    assert!(matches!(problem, StoreError::Lost { .. }), "{problem}");
}
