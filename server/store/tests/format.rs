//! Every released format stays readable, and the format does not change by accident.
//!
//! `fixtures/v1-tags26` is what this version writes for `history`. `fixtures/v1` is what
//! the first one wrote, with other records for the same facts, and `fixtures/v1-trimmed`
//! what was left of it and more after compaction. They are never changed. When what is
//! written is changed on purpose, `what_is_written_is_the_fixture` says where it has put
//! the new files: add them beside the old ones.

#![allow(clippy::unwrap_used)] // A test may panic.

#[path = "format/history.rs"]
mod history;

use std::fs;
use std::path::{Path, PathBuf};

use history::{history, rubbish};
use leaseq_store::conformance::{Model, Trial};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Batch, Journal, JournalOptions, MemoryStore, Position, Store, SyncPolicy};

const OPTIONS: JournalOptions = JournalOptions {
    sync: SyncPolicy::Always,
    segment_bytes: 2048,
    cache_bytes: 0,
    accept_loss: false,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The directory `name` as this version writes it.
fn written(name: &str) -> FaultyDisk {
    let disk = FaultyDisk::new();
    let mut journal = Journal::on(disk.clone(), OPTIONS);
    let mut trial = Trial::new();
    trial.load(&mut journal).unwrap();
    for batch in batches(name) {
        trial.commit(&mut journal, batch).unwrap();
    }
    if name == "v1-trimmed" {
        let removed = trial.compact(&mut journal, 1_000).unwrap();
        assert!(removed > 3, "{removed} segments");
    }
    disk
}

fn batches(name: &str) -> Vec<Batch> {
    let mut batches = history();
    if name == "v1-trimmed" {
        batches.extend(rubbish());
    }
    batches
}

/// A journal on a copy of the fixture, and the directory that it is in.
fn opened(name: &str) -> (tempfile::TempDir, Journal<leaseq_store::disk::RealDisk>) {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(fixture(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let journal = Journal::open(dir.path(), OPTIONS).unwrap();
    (dir, journal)
}

/// Loads; gives what was replayed and what it adds up to.
fn load(store: &mut dyn Store) -> (leaseq_store::Loaded, Vec<Batch>, Model) {
    let (mut batches, mut model) = (Vec::new(), Model::default());
    let loaded = store.load(&mut |batch, trimmed| {
        for transition in &batch.transitions {
            model.apply(transition, trimmed)?;
        }
        batches.push(batch);
        Ok(())
    });
    (loaded.unwrap(), batches, model)
}

/// A store that was told the same as the fixture, and was then loaded.
fn told(name: &str) -> (MemoryStore, Vec<Batch>, Model) {
    let memory = MemoryStore::new();
    let mut first = memory.shared();
    let epoch = load(&mut first).0.epoch;
    for (at, batch) in (0..).map(Position).zip(batches(name)) {
        first.commit(epoch, at, batch).unwrap();
    }
    let mut second = memory.shared();
    let (_, batches, model) = load(&mut second);
    (second, batches, model)
}

#[test]
fn a_journal_of_this_version_is_read() {
    for name in ["v1", "v1-tags26", "v1-trimmed"] {
        let (_dir, mut journal) = opened(name);
        let (mut memory, expected_batches, expected_model) = told(name);
        let (loaded, batches, model) = load(&mut journal);
        assert_eq!(loaded.torn_bytes, 0);
        assert_eq!(model, expected_model, "{name}");
        if name != "v1-trimmed" {
            assert_eq!(batches, expected_batches);
        } else {
            let first = loaded.next.0 - batches.len() as u64;
            assert!(first > 0, "the beginning is gone");
        }
        let jobs = model.kept();
        assert!(jobs.len() > 10);
        assert_eq!(
            journal.contents(&jobs).unwrap(),
            memory.contents(&jobs).unwrap()
        );
        // And it goes on.
        let transitions = model.restate_jobs(&jobs);
        let time = loaded.last_time;
        journal
            .commit(loaded.epoch, loaded.next, Batch { time, transitions })
            .unwrap();
        assert_eq!(
            journal.contents(&jobs).unwrap(),
            memory.contents(&jobs).unwrap()
        );
    }
}

/// Writes the directory `name` anew; tells where, and whether it is the fixture.
fn written_anew(name: &str) -> (PathBuf, bool) {
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(&new).unwrap();
    let disk = written(name);
    let mut same = true;
    for file in disk.names().iter().filter(|file| file.ends_with(".seg")) {
        let bytes = disk.read_file(file).unwrap();
        same &= fs::read(fixture(name).join(file)).is_ok_and(|old| old == bytes);
        fs::write(new.join(file), bytes).unwrap();
    }
    (new, same)
}

#[test]
fn what_is_written_is_the_fixture() {
    // How far compaction goes may change without a new format: only the first counts.
    written_anew("v1-trimmed");
    let (new, same) = written_anew("v1-tags26");
    assert!(
        same,
        "the format has changed: the new files are in {}",
        new.display()
    );
}
