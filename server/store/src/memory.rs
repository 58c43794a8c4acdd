//! A store that forgets everything with its process: for tests, and the plainest
//! statement of what a store does. It has segments and reclaims them as the journal
//! does, so that what drives a store can be tried on it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, End, Sizes, Transition};

use crate::seam::{
    Batch, CommitError, Committed, Compaction, Epoch, Loaded, Position, Report, Shortcomings,
    Space, Store, StoreError,
};

/// Batches in a segment.
const SEGMENT_BATCHES: usize = 256;
/// What one `RestateJobs` may ask for: see `Compaction`.
const RESTATE_JOBS_MAX: usize = 1_000;
const RESTATE_BYTES_MAX: u64 = 1 << 20;

/// An owner of a namespace in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Memory>>);

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another owner of the same memory: what a restart is to a disk.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing in here panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Memory {
    epoch: Epoch,
    next: Position,
    /// Batches before this one may speak of jobs whose beginning is gone.
    trimmed: Position,
    /// Oldest first; never empty.
    segments: VecDeque<Segment>,
    /// The number of the oldest segment.
    oldest: u64,
    jobs: HashMap<JobSeq, Held>,
    /// Jobs that ended in the last batch, and of which nothing is kept.
    ended: BTreeSet<JobSeq>,
    /// Jobs that were completed without a result in the last batch, and are kept:
    /// what they were put with is there until the next batch.
    emptied: Vec<JobSeq>,
    /// The segment that the newest whole statement of the ledger begins in.
    ledger: u64,
    /// The segment that the ledger asked for will begin in.
    ledger_asked: Option<u64>,
}

#[derive(Debug, Default)]
struct Segment {
    batches: Vec<Batch>,
    /// The jobs whose newest beginning is in here.
    jobs: BTreeSet<JobSeq>,
    /// How many jobs have ever begun in here.
    begun: usize,
}

#[derive(Debug)]
struct Held {
    content: Content,
    segment: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            epoch: Epoch(0),
            next: Position(0),
            trimmed: Position(0),
            segments: VecDeque::from([Segment::default()]),
            oldest: 0,
            jobs: HashMap::new(),
            ended: BTreeSet::new(),
            emptied: Vec::new(),
            ledger: 0,
            ledger_asked: None,
        }
    }
}

impl Store for MemoryStore {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        let mut memory = self.memory();
        memory.epoch.0 += 1;
        memory.ledger_asked = None;
        memory.forget_ended();
        let batches = memory.segments.iter().flat_map(|segment| &segment.batches);
        let kept = batches.clone().count() as u64;
        let mut last_time = None;
        for (at, batch) in (memory.next.0 - kept..).zip(batches) {
            last_time = Some(batch.time);
            replay(batch.clone(), at < memory.trimmed.0)
                .map_err(|what| StoreError::Contradiction { what })?;
        }
        Ok(Loaded {
            epoch: memory.epoch,
            next: memory.next,
            last_time: last_time.unwrap_or_default(),
            torn_bytes: 0,
            loss: None,
            shortcomings: Shortcomings::default(),
            report: memory.report(),
        })
    }

    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        let mut memory = self.memory();
        if epoch == Epoch(0) || epoch != memory.epoch || at != memory.next {
            return Err(CommitError::Conflict);
        }
        let bytes = memory.append(batch);
        Ok(Committed {
            next: memory.next,
            bytes,
            sync_time: Duration::ZERO,
            report: memory.report(),
        })
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        let memory = self.memory();
        let content = |job: &JobSeq| match memory.jobs.get(job) {
            Some(held) => Ok(held.content.clone()),
            None => Err(StoreError::NoContent { job: *job }),
        };
        jobs.iter().map(content).collect()
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        Ok(self.memory().compact())
    }
}

impl Memory {
    fn report(&self) -> Report {
        Report {
            space: Space::Enough,
            room: u64::MAX,
            disk_bytes: 0,
            segments: self.segments.len() as u64,
            ..Report::default()
        }
    }

    fn head(&self) -> u64 {
        self.oldest + self.segments.len() as u64 - 1
    }

    fn segment(&mut self, number: u64) -> Option<&mut Segment> {
        let index = usize::try_from(number.checked_sub(self.oldest)?).ok()?;
        self.segments.get_mut(index)
    }

    /// What ended in the last batch goes.
    fn forget_ended(&mut self) {
        for job in mem::take(&mut self.ended) {
            self.forget(job);
        }
        for job in mem::take(&mut self.emptied) {
            if let Some(held) = self.jobs.get_mut(&job) {
                held.content = Content::default();
            }
        }
    }

    fn append(&mut self, mut batch: Batch) -> u64 {
        self.forget_ended();
        let head = self.segments.back();
        if head.is_some_and(|head| head.batches.len() >= SEGMENT_BATCHES) {
            self.segments.push_back(Segment::default());
        }
        let bytes = batch.transitions.iter_mut().map(|t| self.take_in(t)).sum();
        if let Some(head) = self.segments.back_mut() {
            head.batches.push(batch);
        }
        self.next.0 += 1;
        bytes
    }

    /// Takes the contents out of a transition; answers how many bytes they were.
    fn take_in(&mut self, transition: &mut Transition) -> u64 {
        match transition {
            Transition::JobsAdded {
                first, contents, ..
            } => {
                let contents = mem::take(contents);
                let bring = |(n, content)| self.begin(first.plus(n), content);
                (0..).zip(contents).map(bring).sum()
            }
            Transition::OutcomeAdded { job, content, .. } => self.begin(*job, mem::take(content)),
            Transition::JobsCompleted { leases } => {
                self.ended.extend(leases.iter().map(|lease| lease.job));
                0
            }
            Transition::JobEnded {
                job,
                end,
                retain_until,
                result,
                ..
            } => self.end(*job, *end, retain_until.is_some(), mem::take(result)),
            Transition::JobsRemoved { jobs } => {
                self.ended.extend(jobs.iter().copied());
                0
            }
            Transition::ContentLost { job } => {
                if let Some(held) = self.jobs.get_mut(job) {
                    held.content = Content::default();
                }
                0
            }
            Transition::JobRestated(restated) => {
                self.restate(restated.job);
                0
            }
            Transition::JobsRestated { first, sizes, .. } => {
                (0..count(sizes)).for_each(|n| self.restate(first.plus(n)));
                0
            }
            Transition::CountersRestated { .. } => {
                self.ledger = self.ledger_asked.take().unwrap_or(self.ledger);
                0
            }
            Transition::NamespaceCreated { .. }
            | Transition::Stalled { .. }
            | Transition::ClocksRead { .. }
            | Transition::QueueSet { .. }
            | Transition::QueueDeleted { .. }
            | Transition::PutRemembered { .. }
            | Transition::LeasesGranted { .. }
            | Transition::LeaseExtended { .. }
            | Transition::JobRequeued { .. }
            | Transition::JobsRequeued { .. }
            | Transition::JobsReady { .. }
            | Transition::CancelRequested { .. } => 0,
        }
    }

    fn begin(&mut self, job: JobSeq, content: Content) -> u64 {
        let bytes = u64::from(content.size());
        // Copies: a slice would keep the whole request that it came in.
        let content = Content {
            headers: Bytes::copy_from_slice(&content.headers),
            payload: Bytes::copy_from_slice(&content.payload),
        };
        let segment = self.head();
        self.jobs.insert(job, Held { content, segment });
        self.move_in(job);
        bytes
    }

    fn end(&mut self, job: JobSeq, end: End, kept: bool, result: Bytes) -> u64 {
        match (end, kept) {
            // Its newest beginning is now its end, which has the result.
            (End::Completed, true) if result.is_empty() => {
                self.restate(job);
                self.emptied.push(job);
                0
            }
            (End::Completed, true) => {
                self.move_out(job);
                let payload = result;
                let headers = Bytes::new();
                self.begin(job, Content { headers, payload })
            }
            (End::Completed | End::Cancelled, false) => {
                self.ended.insert(job);
                0
            }
            (End::Cancelled, true) | (End::Dead, _) => 0,
        }
    }

    fn restate(&mut self, job: JobSeq) {
        self.move_out(job);
        self.move_in(job);
    }

    fn forget(&mut self, job: JobSeq) {
        self.move_out(job);
        self.jobs.remove(&job);
    }

    fn move_out(&mut self, job: JobSeq) {
        let number = self.jobs.get(&job).map(|held| held.segment);
        if let Some(segment) = number.and_then(|number| self.segment(number)) {
            segment.jobs.remove(&job);
        }
    }

    fn move_in(&mut self, job: JobSeq) {
        let number = self.head();
        if let Some(held) = self.jobs.get_mut(&job) {
            held.segment = number;
            if let Some(head) = self.segments.back_mut() {
                head.jobs.insert(job);
                head.begun += 1;
            }
        }
    }

    /// Reclaims the oldest segment when half of the jobs that began in it are gone.
    fn compact(&mut self) -> Compaction {
        let report = self.report();
        let head = self.head();
        let Some(oldest) = self.segments.front() else {
            return Compaction::Idle(report);
        };
        if head == self.oldest || oldest.jobs.len() * 2 > oldest.begun {
            return Compaction::Idle(report);
        }
        let jobs = self.next_to_restate(oldest);
        if !jobs.is_empty() {
            return Compaction::RestateJobs(jobs);
        }
        if self.ledger == self.oldest {
            self.ledger_asked = Some(head);
            // All of them: a count for each segment would save nothing here.
            return Compaction::RestateLedger {
                puts_before: u64::MAX,
            };
        }
        self.segments.pop_front();
        self.oldest += 1;
        self.trimmed = self.next;
        Compaction::Removed(self.report())
    }

    fn next_to_restate(&self, segment: &Segment) -> Vec<JobSeq> {
        let mut bytes = 0;
        let size = |job: &JobSeq| self.jobs.get(job).map_or(0, |held| held.content.size());
        let fits = |(n, job): &(usize, &JobSeq)| {
            bytes += u64::from(size(job));
            *n == 0 || bytes <= RESTATE_BYTES_MAX
        };
        // What has just ended is not restated: nothing would come of it.
        let live = segment.jobs.iter().filter(|job| !self.ended.contains(job));
        let jobs = live.take(RESTATE_JOBS_MAX).enumerate();
        jobs.take_while(fits).map(|(_, job)| *job).collect()
    }
}

fn count(sizes: &Sizes) -> u64 {
    match sizes {
        Sizes::Uniform { count, .. } => u64::from(*count),
        Sizes::Each(sizes) => sizes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_owner_deposes_the_old_one() {
        let mut old = MemoryStore::new();
        let mut new = old.shared();
        let first = old.load(&mut |_, _| Ok(())).unwrap();
        let second = new.load(&mut |_, _| Ok(())).unwrap();
        let late = old.commit(first.epoch, first.next, Batch::default());
        assert!(matches!(late, Err(CommitError::Conflict)), "{late:?}");
        new.commit(second.epoch, second.next, Batch::default())
            .unwrap();
    }
}
