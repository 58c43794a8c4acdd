//! A namespace under trial: what was committed to a store, what it acknowledged, and
//! therefore what it must say.

mod contents;

use std::collections::BTreeMap;

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, RequestId};
use leaseq_engine::transition::{Content, Transition};

use self::contents::Contents;
use super::model::Model;
use crate::seam::{
    Batch, CommitError, Committed, Compaction, DamagedContent, Epoch, Loaded, Position, Report,
    Store, StoreError,
};

/// What a store was told, and what it must say.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Every batch as it was committed, contents and all; the position is the index.
    batches: Vec<Batch>,
    /// With which epoch each was committed.
    epochs: Vec<Epoch>,
    /// How many of them were acknowledged: the others may be missing.
    acknowledged: usize,
    model: Model,
    contents: Contents,
    puts: Puts,
    epoch: Epoch,
    report: Report,
}

/// Which remembered Put was the how manieth to be read or committed last, as an engine
/// counts them.
#[derive(Clone, Debug, Default)]
struct Puts {
    count: u64,
    written: BTreeMap<RequestId, u64>,
}

impl Puts {
    fn take_in(&mut self, batch: &Batch) {
        for transition in &batch.transitions {
            if let Transition::PutRemembered { request_id, .. } = transition {
                self.written.insert(*request_id, self.count);
                self.count += 1;
            }
        }
    }
}

impl Trial {
    /// A namespace in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the committed batches add up to.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The epoch of the last `load`.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The position of the next batch.
    #[must_use]
    pub fn next(&self) -> Position {
        Position(self.batches.len() as u64)
    }

    /// How many batches were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged as u64
    }

    /// How the store said last that it stands.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// From here on, batches that were acknowledged may be missing from this one on:
    /// for a power cut with a sync policy that does not wait.
    pub fn forgive(&mut self, from: Position) {
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        self.acknowledged = self.acknowledged.min(from);
    }

    /// Loads `store` and checks that it has every acknowledged batch as it was, the
    /// others whole or not at all, and nothing else. What it has counts as
    /// acknowledged from then on.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Panics
    /// When the store says something that was not committed.
    pub fn load(&mut self, store: &mut dyn Store) -> Result<Loaded, StoreError> {
        let mut replayed = Model::default();
        let mut found: Vec<Batch> = Vec::new();
        self.puts = Puts::default();
        let loaded = store.load(&mut |batch, trimmed| {
            for transition in &batch.transitions {
                replayed.apply(transition, trimmed)?;
            }
            self.puts.take_in(&batch);
            found.push(batch);
            Ok(())
        })?;
        let next = usize::try_from(loaded.next.0).unwrap_or(usize::MAX);
        assert!(
            (self.acknowledged..=self.batches.len()).contains(&next),
            "{next} batches found, {} acknowledged, {} committed",
            self.acknowledged,
            self.batches.len(),
        );
        self.batches.truncate(next);
        let first = next.checked_sub(found.len());
        let expected = first.and_then(|first| self.batches.get(first..));
        for (at, (found, expected)) in found.iter().zip(expected.unwrap_or_default()).enumerate() {
            assert_eq!(*found, stripped(expected), "batch {at} of those replayed");
        }
        let last_time = self.batches.last().map(|batch| batch.time);
        assert_eq!(loaded.last_time, last_time.unwrap_or_default());
        self.add_up();
        assert_eq!(
            replayed, self.model,
            "what was replayed adds up to what was committed"
        );
        self.epochs.truncate(next);
        let last_owner = self.epochs.last().copied().unwrap_or_default();
        assert!(loaded.epoch > last_owner, "an owner's epoch is its own");
        self.acknowledged = next;
        self.epoch = loaded.epoch;
        self.report = loaded.report;
        self.contents.let_last_go();
        Ok(loaded)
    }

    fn add_up(&mut self) {
        self.model = Model::default();
        self.contents = Contents::default();
        for batch in &self.batches {
            take_in(&mut self.model, &mut self.contents, batch);
        }
    }

    /// Commits a batch.
    ///
    /// # Errors
    /// Those of the store. The batch may then be there after the next `load`, or not.
    pub fn commit(
        &mut self,
        store: &mut dyn Store,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        let at = self.next();
        take_in(&mut self.model, &mut self.contents, &batch);
        self.puts.take_in(&batch);
        self.batches.push(batch.clone());
        self.epochs.push(self.epoch);
        let committed = store.commit(self.epoch, at, batch)?;
        assert_eq!(
            committed.next,
            self.next(),
            "the position of the next batch"
        );
        self.acknowledged = self.batches.len();
        self.report = committed.report;
        Ok(committed)
    }

    /// Commits transitions with the time of the last batch.
    ///
    /// # Errors
    /// Those of the store.
    pub fn commit_all(
        &mut self,
        store: &mut dyn Store,
        transitions: Vec<Transition>,
    ) -> Result<Committed, CommitError> {
        let time = self.batches.last().map(|batch| batch.time);
        let time = time.unwrap_or_default();
        self.commit(store, Batch { time, transitions })
    }

    /// Does what `compact` asks for until it is idle, at most `steps_max` times.
    /// Tells how many segments were removed.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Panics
    /// When a step asks for more than it may, or for jobs that are not kept.
    pub fn compact(
        &mut self,
        store: &mut dyn Store,
        steps_max: usize,
    ) -> Result<usize, CommitError> {
        let mut removed = 0;
        for _ in 0..steps_max {
            self.contents.let_last_go();
            match store.compact()? {
                Compaction::Idle(report) => {
                    self.report = report;
                    break;
                }
                Compaction::Removed(report) => {
                    self.report = report;
                    removed += 1;
                }
                Compaction::Damaged(damaged) => self.lose(store, &damaged)?,
                Compaction::RestateJobs(jobs) => {
                    self.check_step(&jobs);
                    let transitions = self.model.restate_jobs(&jobs);
                    self.commit_all(store, transitions)?;
                }
                Compaction::RestateLedger { puts_before } => {
                    // In two parts, as a large one comes.
                    let last = |id| self.puts.written.get(&id);
                    let wanted = |id| last(id).is_some_and(|last| *last < puts_before);
                    let mut first = self.model.restate_ledger(wanted);
                    let second = first.split_off(first.len() / 2);
                    self.commit_all(store, first)?;
                    self.commit_all(store, second)?;
                }
            }
        }
        Ok(removed)
    }

    /// Ends jobs whose contents cannot be read, as an engine does.
    ///
    /// # Errors
    /// Those of the store.
    pub fn lose(
        &mut self,
        store: &mut dyn Store,
        damaged: &[DamagedContent],
    ) -> Result<(), CommitError> {
        let lost = |damaged: &DamagedContent| Transition::ContentLost { job: damaged.job };
        self.commit_all(store, damaged.iter().map(lost).collect())?;
        Ok(())
    }

    fn check_step(&self, jobs: &[JobSeq]) {
        assert!((1..=1_000).contains(&jobs.len()), "{} jobs", jobs.len());
        let size = |job: &JobSeq| {
            let job = self.model.jobs.get(job);
            u64::from(job.expect("only what is kept is asked for").size)
        };
        // The bound may be met by the last of them.
        let all_but_last: u64 = jobs.iter().rev().skip(1).map(size).sum();
        assert!(all_but_last <= 1 << 20, "{all_but_last} bytes of content");
    }

    /// Checks that the store gives every content that it must have, and none of jobs
    /// that ended before the last batch.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Panics
    /// When it gives anything else.
    pub fn check_contents(&self, store: &mut dyn Store) -> Result<(), StoreError> {
        let expected: Vec<_> = self.contents.all().collect();
        let jobs: Vec<JobSeq> = expected.iter().map(|(job, _)| **job).collect();
        let found = store.contents(&jobs)?;
        assert_eq!(found.len(), expected.len());
        for (found, (job, expected)) in found.iter().zip(expected) {
            assert!(found == expected, "job {} has another content", job.0);
        }
        for gone in (1..self.model.next_job + 2).map(JobSeq) {
            if self.contents.must_be_gone(gone) {
                let answer = store.contents(&[gone]);
                assert!(
                    matches!(answer, Err(StoreError::NoContent { job }) if job == gone),
                    "job {} is gone: {answer:?}",
                    gone.0
                );
            }
        }
        Ok(())
    }

    /// Checks that the store gives no wrong content: the right one or an error. Tells
    /// for how many jobs it gave an error.
    ///
    /// # Panics
    /// When it gives anything else.
    pub fn check_contents_or_errors(&self, store: &mut dyn Store) -> usize {
        let mut errors = 0;
        for (job, expected) in self.contents.all() {
            match store.contents(&[*job]) {
                Ok(found) => assert!(found == [expected.clone()], "job {} is wrong", job.0),
                Err(_) => errors += 1,
            }
        }
        errors
    }
}

fn take_in(model: &mut Model, contents: &mut Contents, batch: &Batch) {
    contents.last.clear();
    contents.unclear.clear();
    for transition in &batch.transitions {
        let known = model.apply(transition, false);
        known.expect("a trial commits what can happen");
        contents.apply(transition);
    }
}

/// The batch as a store replays it: without contents.
fn stripped(batch: &Batch) -> Batch {
    let mut batch = batch.clone();
    for transition in &mut batch.transitions {
        if let Transition::JobsAdded { contents, .. } = transition {
            contents.clear();
        } else if let Transition::OutcomeAdded { content, .. } = transition {
            *content = Content::default();
        } else if let Transition::JobEnded { result, .. } = transition {
            *result = Bytes::new();
        }
    }
    batch
}
