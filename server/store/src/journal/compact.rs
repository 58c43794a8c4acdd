//! Reclaiming space, oldest segment first, a bounded step at a time.
//!
//! A segment may go when nothing that is still true is in it alone: its live jobs
//! have been written again at the head, and so has everything that is not a job
//! (the ledger). Then a trim frame says so, is synced, and the file is removed. A
//! crash anywhere between leaves a journal that says the same.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Transition;

use super::Journal;
use super::index::ListLimits;
use super::segment::{self, SPARE_NAME};
use crate::disk::{Disk, DiskFile};
use crate::seam::{Compaction, StoreError};

/// One step restates this much at most: some milliseconds of work. There is a step for
/// each batch or two, and under load batches are large and few: smaller steps do not keep
/// up with a queue in which some jobs stay.
const STEP: ListLimits = ListLimits {
    jobs_max: 4000,
    bytes_max: 1 << 20,
    runs_max: 65_536,
};

/// While there is room, this many segments may be garbage beyond twice the live
/// bytes: small journals are never compacted for nothing.
const GARBAGE_SEGMENTS: u64 = 2;

/// A segment of which at most one part in so many is alive goes when there is garbage of
/// `GARBAGE_SEGMENTS`, however much is alive elsewhere: one job that stays would keep all
/// that was done after it, and what is written would go to new space instead of used.
const FEW_ALIVE: u64 = 32;

/// When there was no room for a spare, it is looked for this often.
const SPARE_RETRY: Duration = Duration::from_secs(1);

/// How far compaction is with the oldest segment.
#[derive(Debug, Default)]
pub(super) struct CompactionState {
    /// The oldest segment is being emptied, whatever the bounds say meanwhile.
    begun: bool,
    /// Where to go on looking for live jobs.
    cursor: Option<JobSeq>,
    ledger: Ledger,
    /// Segments up to this number may be removed.
    pub(super) trimmed: u64,
    spare_failed: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Ledger {
    #[default]
    Old,
    Asked,
    Restated,
}

impl CompactionState {
    /// The counters come last in the ledger: with them, all of it is restated.
    pub(super) fn note_ledger(&mut self, transitions: &[Transition]) {
        let last = |it: &Transition| matches!(it, Transition::CountersRestated { .. });
        if self.ledger == Ledger::Asked && transitions.iter().any(last) {
            self.ledger = Ledger::Restated;
        }
    }
}

impl<D: Disk> Journal<D> {
    pub(super) fn compaction_step(&mut self) -> Result<Compaction, StoreError> {
        self.forget_ended();
        self.set_space_aside()?;
        let front = self.segments.front();
        let Some((oldest, puts_before)) = front.map(|oldest| (oldest.number, oldest.puts)) else {
            return Err(StoreError::Failed);
        };
        if self.segments.len() > 1 && oldest <= self.compaction.trimmed {
            return self.remove_oldest();
        }
        self.compaction.begun |= self.segments.len() > 1 && self.is_worthwhile(oldest);
        if !self.compaction.begun {
            return Ok(Compaction::Idle(self.report()));
        }
        if self.index.at_home(Self::home(oldest)).jobs > 0 {
            return Ok(self.next_jobs(oldest));
        }
        match self.compaction.ledger {
            Ledger::Old => {
                self.compaction.ledger = Ledger::Asked;
                Ok(Compaction::RestateLedger { puts_before })
            }
            Ledger::Asked => Ok(Compaction::Idle(self.report())),
            Ledger::Restated => {
                self.write_trim(oldest)?;
                self.compaction.trimmed = oldest;
                self.remove_oldest()
            }
        }
    }

    /// Live jobs of the oldest segment that have not been asked for yet.
    fn next_jobs(&mut self, oldest: u64) -> Compaction {
        let from = self.compaction.cursor.unwrap_or(JobSeq(0));
        let (jobs, next) = self.index.list_home(Self::home(oldest), from, STEP);
        // At the end it begins again: whatever is at home still, must be asked for.
        self.compaction.cursor = next;
        if jobs.is_empty() {
            Compaction::Idle(self.report())
        } else {
            Compaction::RestateJobs(jobs)
        }
    }

    fn remove_oldest(&mut self) -> Result<Compaction, StoreError> {
        if let Some(oldest) = self.segments.pop_front() {
            let name = segment::name(oldest.number);
            let is_reusable = oldest.file.is_written_in_place();
            if is_reusable && oldest.len == self.options.segment_bytes {
                self.set_aside(&name, oldest.file)?;
            } else {
                let removed = self.disk.remove(&name).and_then(|()| self.disk.sync_dir());
                self.checked("cannot remove", &name, removed)?;
            }
        }
        let trimmed = self.compaction.trimmed;
        self.compaction = CompactionState {
            trimmed,
            ..CompactionState::default()
        };
        Ok(Compaction::Removed(self.report()))
    }

    /// Makes a segment that is no longer needed the spare, in place of the blank one:
    /// the file system gives away the blocks of a written file only slowly (14 ms for
    /// 64 MiB), and writes and syncs them faster than new ones.
    fn set_aside(&mut self, name: &str, file: D::File) -> Result<(), StoreError> {
        if self.spare.take().is_some() {
            let removed = self.disk.remove(SPARE_NAME);
            self.checked("cannot remove", SPARE_NAME, removed)?;
        }
        // Synced before anything is written into it: under its old name it must stay
        // what it was (J2).
        let renamed = self.disk.rename(name, SPARE_NAME);
        let renamed = renamed.and_then(|()| self.disk.sync_dir());
        self.checked("cannot set aside", name, renamed)?;
        self.spare = Some(file);
        Ok(())
    }

    /// Whether emptying the oldest segment gives back more than it costs.
    fn is_worthwhile(&self, oldest: u64) -> bool {
        let at_home = self.index.at_home(Self::home(oldest));
        if at_home.jobs == 0 {
            return true;
        }
        let used: u64 = self.segments.iter().map(|segment| segment.end).sum();
        let live = self.index.live_bytes();
        let segment = self.options.segment_bytes;
        if self.spare.is_some() {
            let few = at_home.bytes <= segment / FEW_ALIVE;
            let wanted = if few { live } else { 2 * live };
            return used > wanted + GARBAGE_SEGMENTS * segment;
        }
        // Down to the reserve: any garbage counts, but there must be room to write
        // what is live.
        let room = self
            .segments
            .back()
            .map_or(0, |last| last.len.saturating_sub(last.end));
        used > live + live / 4 + segment && room > segment / 2
    }

    /// J5. Without room, puts are refused until there is.
    pub(super) fn set_space_aside(&mut self) -> Result<(), StoreError> {
        let lately = |failed: Instant| failed.elapsed() < SPARE_RETRY;
        if self.spare.is_some() || self.compaction.spare_failed.is_some_and(lately) {
            return Ok(());
        }
        match self.disk.create(SPARE_NAME, self.options.segment_bytes) {
            Ok(file) => {
                self.spare = Some(file);
                self.compaction.spare_failed = None;
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                ) =>
            {
                self.compaction.spare_failed = Some(Instant::now());
                Ok(())
            }
            Err(error) => self.checked("cannot create", SPARE_NAME, Err(error)),
        }
    }

    fn home(segment: u64) -> u32 {
        u32::try_from(segment).unwrap_or(u32::MAX)
    }
}
