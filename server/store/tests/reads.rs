//! How much is read for what is wanted.

#![allow(clippy::unwrap_used)] // A test may panic.

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;
use leaseq_store::conformance::{Trial, jobs_added};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Journal, JournalOptions, Store, SyncPolicy};

const JOBS: u64 = 3_000;

/// A journal with one large batch that is not in memory any more.
fn journal(disk: &FaultyDisk) -> Journal<FaultyDisk> {
    let options = JournalOptions {
        sync: SyncPolicy::Always,
        segment_bytes: 8 << 20,
        cache_bytes: 0,
        accept_loss: false,
    };
    let mut journal = Journal::on(disk.clone(), options);
    let mut trial = Trial::new();
    trial.load(&mut journal).unwrap();
    let content = |n: u64| Content {
        headers: Bytes::new(),
        payload: vec![n as u8; 1_000].into(),
    };
    let contents = (0..JOBS).map(content).collect();
    for added in [
        jobs_added(JobSeq(1), contents),
        // What was written last stays in memory: this.
        jobs_added(JobSeq(1 + JOBS), vec![content(0)]),
    ] {
        trial.commit_all(&mut journal, vec![added]).unwrap();
    }
    journal
}

#[test]
fn a_single_job_costs_one_small_read() {
    let disk = FaultyDisk::new();
    let mut journal = journal(&disk);
    for job in [2_900, 7, 1_500] {
        let before = disk.operations().bytes_read;
        journal.contents(&[JobSeq(job)]).unwrap();
        let read = disk.operations().bytes_read - before;
        assert!(read < 40_000, "{read} bytes for job {job}");
    }
}

#[test]
fn jobs_one_after_the_other_cost_few_large_reads() {
    let disk = FaultyDisk::new();
    let mut journal = journal(&disk);
    let before = disk.operations();
    for job in 1..=JOBS {
        journal.contents(&[JobSeq(job)]).unwrap();
    }
    let (reads, bytes) = (
        disk.operations().all - before.all,
        disk.operations().bytes_read - before.bytes_read,
    );
    assert!(reads < 60, "{reads} reads");
    assert!(bytes < JOBS * 1_002 * 5 / 4, "{bytes} bytes");
}
