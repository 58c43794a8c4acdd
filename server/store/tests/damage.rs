//! A content that cannot be read costs its own job; all others go on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test may panic.

mod support;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, Transition};
use leaseq_store::conformance::{Trial, jobs_added};
use leaseq_store::disk::{Fault, FaultyDisk};
use leaseq_store::{Compaction, Journal, Store, StoreError};
use support::{journal, loaded};

/// Jobs that wait, each put alone. Their contents are on disk and not in memory.
const JOBS: u64 = 40;

/// The one that is damaged.
const DAMAGED: JobSeq = JobSeq(17);

fn payload(job: u64) -> Vec<u8> {
    format!("the payload of job number {job:04} ")
        .repeat(8)
        .into_bytes()
}

fn content(job: u64) -> Content {
    Content {
        headers: Bytes::new(),
        payload: payload(job).into(),
    }
}

/// A stopped journal of several segments in which all jobs wait, and its trial.
fn stopped() -> (FaultyDisk, Trial) {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    for job in 1..=JOBS {
        let added = jobs_added(JobSeq(job), vec![content(job)]);
        trial.commit_all(&mut journal, vec![added]).unwrap();
    }
    drop(journal);
    disk.kill();
    (disk, trial)
}

/// Flips a bit in the middle of the payload of this job.
fn damage(disk: &FaultyDisk, job: JobSeq) {
    let wanted = payload(job.0);
    for name in disk.names() {
        let bytes = disk.read_file(&name).unwrap();
        let found = bytes.windows(wanted.len()).position(|part| part == wanted);
        if let Some(at) = found {
            disk.flip_bit(&name, 8 * (at + wanted.len() / 2) as u64);
            return;
        }
    }
    panic!("no payload of {job:?}");
}

fn segments(disk: &FaultyDisk) -> Vec<String> {
    let mut names = disk.names();
    names.retain(|name| name.ends_with(".seg"));
    names
}

/// Reads every job; gives those that are damaged.
fn unreadable(journal: &mut Journal<FaultyDisk>) -> Vec<JobSeq> {
    let mut damaged = Vec::new();
    for job in (1..=JOBS).map(JobSeq) {
        match journal.contents(&[job]) {
            Ok(found) => assert_eq!(found, [content(job.0)], "{job:?}"),
            Err(StoreError::ContentDamaged(content)) => {
                assert_eq!(content.job, job, "the right job is named");
                damaged.push(job);
            }
            Err(other) => panic!("{other}"),
        }
    }
    damaged
}

#[test]
fn a_damaged_content_costs_its_own_job_in_any_segment() {
    for job in [JobSeq(1), DAMAGED, JobSeq(JOBS - 1)] {
        let (disk, mut trial) = stopped();
        damage(&disk, job);
        let mut journal = journal(&disk);
        trial.load(&mut journal).unwrap();
        assert_eq!(unreadable(&mut journal), [job]);
        let lost = Transition::ContentLost { job };
        trial.commit_all(&mut journal, vec![lost]).unwrap();
        assert_eq!(journal.contents(&[job]).unwrap(), [Content::default()]);
        drop(journal);
        let mut journal = loaded(&mut trial, &disk);
        trial.check_contents(&mut journal).unwrap();
    }
}

#[test]
fn a_sector_that_fails_once_is_read_again_and_one_that_is_gone_is_damage() {
    let (disk, mut trial) = stopped();
    let mut journal = loaded(&mut trial, &disk);
    disk.fail_at(1, Fault::Io);
    assert_eq!(journal.contents(&[DAMAGED]).unwrap(), [content(DAMAGED.0)]);
    assert!(disk.has_failed());
    disk.heal();
    let other = JobSeq(3);
    disk.fail_from(1, Fault::Io);
    let answer = journal.contents(&[other]).unwrap_err();
    assert!(matches!(answer, StoreError::ContentDamaged(_)), "{answer}");
    disk.heal();
    let lost = Transition::ContentLost { job: other };
    trial.commit_all(&mut journal, vec![lost]).unwrap();
    trial.check_contents(&mut journal).unwrap();
}

#[test]
fn a_read_without_memory_condemns_nothing() {
    let (disk, mut trial) = stopped();
    let mut journal = loaded(&mut trial, &disk);
    disk.fail_at(1, Fault::BusyRead);
    assert_eq!(journal.contents(&[DAMAGED]).unwrap(), [content(DAMAGED.0)]);
    disk.fail_from(1, Fault::BusyRead);
    let answer = journal.contents(&[JobSeq(3)]).unwrap_err();
    assert!(matches!(answer, StoreError::ContentBusy { .. }), "{answer}");
    disk.heal();
    trial.check_contents(&mut journal).unwrap();
}

/// Most of what was put is done, so that the segments with the damaged job are emptied.
#[test]
fn compaction_ends_the_damaged_job_and_carries_the_loss_on() {
    let (disk, mut trial) = stopped();
    damage(&disk, DAMAGED);
    let mut journal = loaded(&mut trial, &disk);
    let first = segments(&disk);
    let mut lost = Vec::new();
    let mut next = JOBS + 1;
    while segments(&disk).iter().any(|name| first.contains(name)) {
        assert!(next < 5_000, "the old segments are removed");
        let added = jobs_added(JobSeq(next), vec![content(next)]);
        trial.commit_all(&mut journal, vec![added]).unwrap();
        let jobs = vec![JobSeq(next)];
        trial
            .commit_all(&mut journal, vec![Transition::JobsRemoved { jobs }])
            .unwrap();
        next += 1;
        match journal.compact().unwrap() {
            Compaction::Damaged(damaged) => {
                lost.extend(damaged.iter().map(|content| content.job));
                trial.lose(&mut journal, &damaged).unwrap();
            }
            Compaction::RestateJobs(jobs) => {
                let restated = trial.model().restate_jobs(&jobs);
                trial.commit_all(&mut journal, restated).unwrap();
            }
            Compaction::RestateLedger { .. } => {
                let ledger = trial.model().restate_ledger(|_| true);
                trial.commit_all(&mut journal, ledger).unwrap();
            }
            Compaction::Idle(_) | Compaction::Removed(_) => {}
        }
    }
    assert_eq!(lost, [DAMAGED]);
    trial.commit_all(&mut journal, Vec::new()).unwrap();
    trial.check_contents(&mut journal).unwrap();
    drop(journal);
    let mut journal = loaded(&mut trial, &disk);
    trial.check_contents(&mut journal).unwrap();
}

#[test]
fn a_scrub_finds_what_is_damaged_and_nothing_else() {
    let (disk, mut trial) = stopped();
    for job in [DAMAGED, JobSeq(30), JobSeq(31)] {
        damage(&disk, job);
    }
    let mut journal = loaded(&mut trial, &disk);
    // The contents of a job that has ended are not checked.
    let ended = Transition::JobsRemoved {
        jobs: vec![JobSeq(30)],
    };
    trial.commit_all(&mut journal, vec![ended]).unwrap();
    trial.commit_all(&mut journal, Vec::new()).unwrap();
    for _ in 0..2 {
        let mut found = Vec::new();
        let mut bytes = 0;
        for step in 0.. {
            assert!(step < 1_000, "a pass ends");
            let before = disk.operations().bytes_read;
            let scrubbed = journal.scrub(1_000).unwrap();
            let read = disk.operations().bytes_read - before;
            assert!(read < 4_000, "{read} bytes in one step");
            bytes += scrubbed.bytes;
            found.extend(scrubbed.damaged.iter().map(|content| content.job));
            if scrubbed.pass_ended {
                break;
            }
        }
        assert_eq!(found, [DAMAGED, JobSeq(31)]);
        assert!(bytes > JOBS * 200, "{bytes} bytes");
    }
}

#[test]
fn a_scrub_reads_large_contents_in_small_steps() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let large = Content {
        headers: Bytes::new(),
        payload: vec![9; 300_000].into(),
    };
    let added = jobs_added(JobSeq(1), vec![large, content(2), content(3)]);
    trial.commit_all(&mut journal, vec![added]).unwrap();
    let mut steps = 0;
    let mut bytes = 0;
    loop {
        let scrubbed = journal.scrub(64 << 10).unwrap();
        assert!(scrubbed.bytes <= 64 << 10, "{scrubbed:?}");
        assert_eq!(scrubbed.damaged, []);
        bytes += scrubbed.bytes;
        steps += 1;
        if scrubbed.pass_ended {
            break;
        }
    }
    assert!((5..10).contains(&steps), "{steps} steps");
    assert!((300_000..320_000).contains(&bytes), "{bytes} bytes");
}
