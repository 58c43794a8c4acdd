//! Which segments are given up, and when.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may panic.

mod support;

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, QueueName};
use leaseq_engine::transition::{Content, Transition};
use leaseq_store::conformance::{Trial, Workload, jobs_added};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Compaction, Journal, Store};
use support::{SMALL, loaded};

/// Jobs of one Put.
const BATCH: u64 = 4;

/// A namespace with a queue, and its next job.
fn with_queue(trial: &mut Trial, disk: &FaultyDisk) -> (Journal<FaultyDisk>, JobSeq) {
    let mut journal = loaded(trial, disk);
    let mut workload = Workload::new(1, 10);
    let first = workload.next(trial.model());
    trial.commit(&mut journal, first).unwrap();
    let next = trial
        .model()
        .kept()
        .last()
        .map_or(JobSeq(1), |job| job.plus(1));
    (journal, next)
}

fn put(trial: &mut Trial, store: &mut Journal<FaultyDisk>, first: JobSeq) {
    let content = Content {
        headers: Bytes::new(),
        payload: Bytes::from(vec![7; 200]),
    };
    let jobs = jobs_added(first, vec![content; BATCH as usize]);
    trial.commit_all(store, vec![jobs]).unwrap();
}

/// Many jobs wait, and are done in their order, as many as come; one of the first is not.
#[test]
fn one_job_that_stays_does_not_keep_what_was_done_behind_it() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let (mut journal, first) = with_queue(&mut trial, &disk);
    let mut next = first;
    // Two of these segments are set aside.
    while disk.used() < 21 * SMALL.segment_bytes {
        put(&mut trial, &mut journal, next);
        next = next.plus(BATCH);
    }
    let waiting = disk.used();
    let mut done = first.plus(1);
    for _ in 0..200 {
        put(&mut trial, &mut journal, next);
        next = next.plus(BATCH);
        let jobs = (0..BATCH).map(|n| done.plus(n)).collect();
        done = done.plus(BATCH);
        trial
            .commit_all(&mut journal, vec![Transition::JobsRemoved { jobs }])
            .unwrap();
        trial.compact(&mut journal, 4).unwrap();
        let most = waiting + 6 * SMALL.segment_bytes;
        assert!(disk.used() <= most, "{} bytes of {most}", disk.used());
    }
    assert!(trial.model().kept().contains(&first));
}

/// What is not payload is alive, too: to write it again gains nothing.
#[test]
fn jobs_that_are_mostly_settings_are_not_written_again_for_ever() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let (mut journal, mut next) = with_queue(&mut trial, &disk);
    while disk.used() < 20 * SMALL.segment_bytes {
        let jobs = (0..BATCH).map(|n| {
            let mut job = jobs_added(next.plus(n), vec![Content::default()]);
            if let Transition::JobsAdded { settings, .. } = &mut job {
                let name = format!("{:0>100}", next.0 + n);
                settings.reply_to = Some(QueueName::new(&name).unwrap());
            }
            job
        });
        let jobs = jobs.collect();
        trial.commit_all(&mut journal, jobs).unwrap();
        next = next.plus(BATCH);
    }
    trial.compact(&mut journal, 2_000).unwrap();
    let step = journal.compact().unwrap();
    assert!(matches!(step, Compaction::Idle(_)), "{step:?}");
}
