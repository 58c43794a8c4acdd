//! The checks, one promise each.

use std::collections::HashSet;
use std::mem::discriminant;
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef, QueueId};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, End, Holder, Transition};

use super::{Medium, Trial, Workload, jobs_added};
use crate::seam::{Batch, CommitError, Epoch, Position, Space, Store, StoreError};

/// All of them.
pub(super) const ALL: [fn(&mut Medium); 12] = [
    an_empty_store_has_nothing,
    what_was_committed_comes_back_in_order_and_byte_by_byte,
    a_wrong_position_or_epoch_conflicts_and_writes_nothing,
    epochs_go_up,
    a_refused_replay_is_told,
    contents_of_live_jobs_are_there,
    a_job_that_ended_is_there_until_the_next_batch,
    a_kept_result_replaces_the_content,
    dead_and_cancelled_jobs_keep_their_content,
    restated_jobs_keep_their_content,
    a_large_batch_is_a_batch,
    compaction_keeps_what_is_live_and_nothing_else,
];

fn load(trial: &mut Trial, store: &mut dyn Store) {
    trial.load(store).expect("it loads");
}

fn commit(trial: &mut Trial, store: &mut dyn Store, transitions: Vec<Transition>) {
    trial
        .commit_all(store, transitions)
        .expect("it is committed");
}

fn content(headers: &'static str, payload: &'static str) -> Content {
    Content {
        headers: Bytes::from_static(headers.as_bytes()),
        payload: Bytes::from_static(payload.as_bytes()),
    }
}

/// A loaded store with jobs 1 to 3, which are "one", "two" and "three", leased.
fn with_three_jobs(medium: &mut Medium) -> (Trial, Box<dyn Store>) {
    let mut store = medium();
    let mut trial = Trial::new();
    load(&mut trial, &mut *store);
    let contents = vec![
        content("h", "one"),
        content("", "two"),
        content("hh", "three"),
    ];
    let lease = Transition::LeasesGranted {
        first_lease: LeaseNumber(1),
        jobs: vec![JobSeq(1), JobSeq(2), JobSeq(3)],
        grant_time: Time::default(),
        holder: Holder::Get,
        lease_duration: Duration::from_secs(1),
    };
    let transitions = vec![jobs_added(JobSeq(1), contents), lease];
    commit(&mut trial, &mut *store, transitions);
    (trial, store)
}

fn ended(job: u64, end: End, kept: bool, result: &'static str) -> Transition {
    Transition::JobEnded {
        job: JobSeq(job),
        lease: Some(LeaseNumber(job)),
        verdict: None,
        end,
        error: Box::default(),
        retain_until: kept.then_some(Time::from_millis(9)),
        result_size: u32::try_from(result.len()).unwrap_or(u32::MAX),
        result: Bytes::from_static(result.as_bytes()),
    }
}

/// Nothing of it says anything about jobs.
fn metadata() -> Vec<Transition> {
    vec![Transition::Stalled {
        by: Duration::from_secs(1),
    }]
}

/// Checks contents now, and after a restart.
fn contents_are_right(trial: &mut Trial, mut store: Box<dyn Store>, medium: &mut Medium) {
    trial.check_contents(&mut *store).expect("contents");
    drop(store);
    let mut store = medium();
    load(trial, &mut *store);
    trial.check_contents(&mut *store).expect("contents");
}

fn an_empty_store_has_nothing(medium: &mut Medium) {
    for _ in 0..2 {
        let mut store = medium();
        let loaded = Trial::new().load(&mut *store).expect("it loads");
        assert_eq!(loaded.next, Position(0));
        assert_eq!(loaded.torn_bytes, 0);
        assert!(loaded.epoch > Epoch(0), "the first owner is 1");
        let answer = store.contents(&[JobSeq(1)]);
        assert!(matches!(answer, Err(StoreError::NoContent { .. })));
        assert_eq!(store.contents(&[]).expect("of no job"), []);
    }
}

fn what_was_committed_comes_back_in_order_and_byte_by_byte(medium: &mut Medium) {
    let mut trial = Trial::new();
    let mut workload = Workload::new(1, 2_000);
    let mut seen = HashSet::new();
    for _ in 0..6 {
        let mut store = medium();
        load(&mut trial, &mut *store);
        trial.check_contents(&mut *store).expect("contents");
        for _ in 0..60 {
            let batch = workload.next(trial.model());
            seen.extend(batch.transitions.iter().map(discriminant));
            let committed = trial.commit(&mut *store, batch).expect("it is committed");
            // Puts are refused at once if it says so.
            assert_eq!(committed.report.space, Space::Enough, "the medium has room");
        }
        trial.check_contents(&mut *store).expect("contents");
    }
    // All but the two that restate jobs, which compaction sees to.
    assert_eq!(seen.len(), 19, "the workload has every kind of transition");
}

fn a_wrong_position_or_epoch_conflicts_and_writes_nothing(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let (epoch, next) = (trial.epoch(), trial.next());
    let wrong = [
        (epoch, Position(next.0 + 1)),
        (epoch, Position(next.0 - 1)),
        (Epoch(epoch.0 + 1), next),
        (Epoch(epoch.0 - 1), next),
    ];
    for (epoch, at) in wrong {
        let batch = Batch {
            time: Time::default(),
            transitions: vec![jobs_added(JobSeq(4), vec![content("", "four")])],
        };
        let answer = store.commit(epoch, at, batch);
        assert!(
            matches!(answer, Err(CommitError::Conflict)),
            "{epoch:?} {at:?}: {answer:?}"
        );
    }
    // A conflict harms nobody: the right one goes on.
    commit(&mut trial, &mut *store, metadata());
    contents_are_right(&mut trial, store, medium);
}

fn epochs_go_up(medium: &mut Medium) {
    let (mut trial, store) = with_three_jobs(medium);
    let first = trial.epoch();
    drop(store);
    let mut store = medium();
    load(&mut trial, &mut *store);
    assert!(trial.epoch() > first);
    let late = store.commit(first, trial.next(), Batch::default());
    assert!(matches!(late, Err(CommitError::Conflict)), "{late:?}");
}

fn a_refused_replay_is_told(medium: &mut Medium) {
    let (mut trial, store) = with_three_jobs(medium);
    drop(store);
    let answer = medium().load(&mut |_, _| Err("job 7 is purple".into()));
    let text = answer.expect_err("refused").to_string();
    assert!(text.contains("job 7 is purple"), "{text}");
    load(&mut trial, &mut *medium());
}

fn contents_of_live_jobs_are_there(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let nothing = vec![Content::default(), Content::default()];
    let single = vec![content("head", ""), content("", "long")];
    let transitions = vec![
        jobs_added(JobSeq(4), nothing),
        jobs_added(JobSeq(6), single),
    ];
    commit(&mut trial, &mut *store, transitions);
    let wanted = [7, 1, 3, 3, 4, 2].map(JobSeq);
    let found = store.contents(&wanted).expect("all of them are there");
    let payloads: Vec<&[u8]> = found.iter().map(|content| &*content.payload).collect();
    let expected: [&[u8]; 6] = [b"long", b"one", b"three", b"three", b"", b"two"];
    assert_eq!(payloads, expected, "in the order asked for");
    contents_are_right(&mut trial, store, medium);
}

fn a_job_that_ended_is_there_until_the_next_batch(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let lease = LeaseRef {
        job: JobSeq(1),
        lease: LeaseNumber(1),
    };
    let transitions = vec![
        Transition::JobsCompleted {
            leases: vec![lease],
        },
        ended(2, End::Cancelled, false, ""),
        Transition::JobsRemoved {
            jobs: vec![JobSeq(3)],
        },
    ];
    commit(&mut trial, &mut *store, transitions);
    let found = store.contents(&[1, 2, 3].map(JobSeq)).expect("still there");
    let expected = [
        content("h", "one"),
        content("", "two"),
        content("hh", "three"),
    ];
    assert_eq!(found, expected);
    commit(&mut trial, &mut *store, metadata());
    for job in 1..=3 {
        let answer = store.contents(&[JobSeq(job)]);
        assert!(matches!(answer, Err(StoreError::NoContent { .. })), "{job}");
    }
    contents_are_right(&mut trial, store, medium);
}

fn a_kept_result_replaces_the_content(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let transitions = vec![
        ended(1, End::Completed, true, "result"),
        ended(2, End::Completed, true, ""),
    ];
    commit(&mut trial, &mut *store, transitions);
    let found = store.contents(&[JobSeq(1), JobSeq(2)]).expect("both");
    // Without a result, whoever was handed the job by the same batch still gets it.
    assert_eq!(found, [content("", "result"), content("", "two")]);
    commit(&mut trial, &mut *store, metadata());
    let found = store.contents(&[JobSeq(1), JobSeq(2)]).expect("both");
    assert_eq!(found, [content("", "result"), Content::default()]);
    contents_are_right(&mut trial, store, medium);
}

fn dead_and_cancelled_jobs_keep_their_content(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let transitions = vec![
        ended(2, End::Dead, false, ""),
        ended(3, End::Cancelled, true, ""),
    ];
    commit(&mut trial, &mut *store, transitions);
    commit(&mut trial, &mut *store, metadata());
    let found = store.contents(&[JobSeq(2), JobSeq(3)]).expect("both");
    assert_eq!(found, [content("", "two"), content("hh", "three")]);
    contents_are_right(&mut trial, store, medium);
}

fn restated_jobs_keep_their_content(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let plain = (4..8).map(|_| content("", "plain")).collect();
    commit(&mut trial, &mut *store, vec![jobs_added(JobSeq(4), plain)]);
    let result = ended(2, End::Completed, true, "result");
    commit(&mut trial, &mut *store, vec![result]);
    for _ in 0..2 {
        // Leased, kept and plain jobs: one by one and as a run.
        let transitions = trial.model().restate_jobs(&trial.model().kept());
        assert_eq!(transitions.len(), 4);
        commit(&mut trial, &mut *store, transitions);
        trial.check_contents(&mut *store).expect("contents");
    }
    contents_are_right(&mut trial, store, medium);
}

fn a_large_batch_is_a_batch(medium: &mut Medium) {
    let (mut trial, mut store) = with_three_jobs(medium);
    let large = |byte: u8, len| Content {
        headers: Bytes::new(),
        payload: Bytes::from(vec![byte; len]),
    };
    let contents = vec![large(1, 1 << 20), large(2, 0), large(3, (1 << 20) + 7)];
    let many = (0..5_000).map(|_| large(4, 3)).collect();
    let transitions = vec![jobs_added(JobSeq(4), contents), jobs_added(JobSeq(7), many)];
    commit(&mut trial, &mut *store, transitions);
    commit(&mut trial, &mut *store, metadata());
    let transitions = trial.model().restate_jobs(&trial.model().kept());
    commit(&mut trial, &mut *store, transitions);
    contents_are_right(&mut trial, store, medium);
}

fn compaction_keeps_what_is_live_and_nothing_else(medium: &mut Medium) {
    let mut store = medium();
    let mut trial = Trial::new();
    load(&mut trial, &mut *store);
    let mut workload = Workload::new(2, 20_000);
    let mut removed = 0;
    for n in 0..1_000 {
        let batch = workload.next(trial.model());
        trial.commit(&mut *store, batch).expect("it is committed");
        if n % 250 == 249 {
            removed += trial.compact(&mut *store, 10_000).expect("it compacts");
            trial.check_contents(&mut *store).expect("contents");
            drop(store);
            store = medium();
            load(&mut trial, &mut *store);
            trial.check_contents(&mut *store).expect("contents");
        }
    }
    assert!(removed > 0, "there was something to reclaim");
    // Without a job there is next to nothing to keep.
    let jobs = trial.model().kept();
    commit(
        &mut trial,
        &mut *store,
        vec![Transition::JobsRemoved { jobs }],
    );
    commit(
        &mut trial,
        &mut *store,
        vec![Transition::QueueDeleted { queue: QueueId(9) }],
    );
    trial.compact(&mut *store, 10_000).expect("it compacts");
    let committed = trial.commit_all(&mut *store, metadata());
    let segments = committed.expect("it is committed").report.segments;
    assert!(segments <= 3, "{segments} segments for nothing");
    contents_are_right(&mut trial, store, medium);
}
