//! When a part of a journal is damaged or missing, all other parts are read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::doctor::{Findings, examine};
use leaseq_store::salvage::Salvage;
use support::loaded;

const HEADER_BYTES: usize = 64;

/// A stopped journal of four segments in a directory, and what is in it.
fn stopped() -> (tempfile::TempDir, Findings) {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let mut workload = Workload::new(6, 2_500);
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
    let findings = examine(dir.path(), &mut |_, _| Ok(())).unwrap();
    (dir, findings)
}

fn segments(disk: &FaultyDisk) -> usize {
    let names = disk.names();
    names.iter().filter(|name| name.ends_with(".seg")).count()
}

fn batches(findings: &Findings) -> u64 {
    let batches = findings.segments.iter().map(|segment| segment.batches);
    batches.sum()
}

fn salvaged(dir: &Path) -> Salvage {
    Salvage::read(dir, &mut |_| true).unwrap()
}

fn change(path: PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn of_a_sound_journal_nothing_is_missing() {
    let (dir, findings) = stopped();
    let salvage = salvaged(dir.path());
    assert_eq!(salvage.gaps, []);
    assert_eq!(salvage.batches, batches(&findings));
    assert_eq!(salvage.last_time, findings.last_time);
}

#[test]
fn a_damaged_segment_header_costs_no_batch() {
    let (dir, findings) = stopped();
    for segment in &findings.segments {
        change(dir.path().join(&segment.name), |bytes| {
            bytes[..HEADER_BYTES].fill(0);
        });
    }
    let salvage = salvaged(dir.path());
    assert_eq!(salvage.batches, batches(&findings));
    let files: Vec<_> = salvage.gaps.iter().map(|gap| gap.file.clone()).collect();
    let names = findings.segments.iter().map(|segment| segment.name.clone());
    assert_eq!(files, names.collect::<Vec<_>>());
    assert!(salvage.gaps.iter().all(|gap| gap.bytes == (0..64)));
}

#[test]
fn a_missing_segment_costs_its_own_batches() {
    for gone in 0..4 {
        let (dir, findings) = stopped();
        let segment = &findings.segments[gone];
        fs::remove_file(dir.path().join(&segment.name)).unwrap();
        let salvage = salvaged(dir.path());
        assert_eq!(salvage.batches, batches(&findings) - segment.batches);
        let told = salvage.gaps.iter().any(|gap| gap.file == segment.name);
        assert!(told || gone == 0, "{:?}", salvage.gaps);
    }
}

#[test]
fn a_damaged_batch_costs_itself_and_is_told_with_its_place() {
    let (dir, findings) = stopped();
    let segment = findings
        .segments
        .iter()
        .max_by_key(|segment| segment.batches);
    let segment = segment.unwrap();
    let path = dir.path().join(&segment.name);
    let bytes = fs::read(&path).unwrap();
    let frames = bytes.windows(4).enumerate();
    let frames = frames.filter(|(at, part)| at % 8 == 0 && *part == b"LSQF");
    let frames: Vec<usize> = frames.map(|(at, _)| at).collect();
    // In the header of the second batch, and in its transitions.
    for at in [frames[1] + 20, frames[1] + 60] {
        change(path.clone(), |bytes| bytes[at] ^= 1);
        let salvage = salvaged(dir.path());
        assert_eq!(salvage.batches, batches(&findings) - 1, "byte {at}");
        let [gap] = salvage.gaps.as_slice() else {
            unreachable!("one gap: {:?}", salvage.gaps);
        };
        assert_eq!(gap.file, segment.name);
        assert_eq!(gap.bytes, frames[1] as u64..frames[2] as u64);
        let missing = gap.batches.clone().unwrap();
        assert_eq!(missing.end - missing.start, 1);
        change(path.clone(), |bytes| bytes[at] ^= 1);
    }
}
