//! Reclaiming space, oldest segment first, a bounded step at a time.
//!
//! A segment may go when nothing that is still true is in it alone: its live jobs
//! have been written again at the head, and so has everything that is not a job
//! (the ledger). Then a trim frame says so, is synced, and the file is removed. A
//! crash anywhere between leaves a journal that says the same.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Transition;

use super::Journal;
use super::index::ListLimits;
use super::room::{Turn, is_of_ledger};
use super::segment::{self, RESERVE_NAME, SPARE_NAME};
use crate::disk::{Disk, DiskFile};
use crate::seam::{Compaction, Delayed, StoreError};

/// One step restates this much at most: some milliseconds of work. There is a step for
/// each batch or two, and under load batches are large and few: smaller steps do not keep
/// up with a queue in which some jobs stay.
const STEP: ListLimits = ListLimits {
    jobs_max: 4000,
    bytes_max: 1 << 20,
    runs_max: 65_536,
    fit: None,
};

/// While there is room, this many segments may be garbage beyond twice the live
/// bytes: small journals are never compacted for nothing.
const GARBAGE_SEGMENTS: u64 = 2;

/// A segment of which at most one part in so many is alive goes when there is garbage of
/// `GARBAGE_SEGMENTS`, however much is alive elsewhere: one job that stays would keep all
/// that was done after it, and what is written would go to new space instead of used.
const FEW_ALIVE: u64 = 32;

/// What could not be done with a file beside the journal's end is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// How far compaction is with the oldest segment.
#[derive(Debug, Default)]
pub(super) struct CompactionState {
    /// The oldest segment is being emptied, whatever the bounds say meanwhile.
    pub(super) begun: bool,
    /// What is left in it does not fit the room that is left.
    pub(super) stuck: bool,
    /// Where to go on looking for live jobs.
    cursor: Option<JobSeq>,
    ledger: Ledger,
    /// Bytes of the ledger when it was restated last.
    pub(super) ledger_bytes: u64,
    /// On a full disk: bytes that have become garbage since the last turn, at most.
    pub(super) fresh: Option<u64>,
    pub(super) turn: Option<Turn>,
    /// Segments up to this number may be removed.
    pub(super) trimmed: u64,
    spare_failed: Option<Instant>,
    removal_failed: Option<Instant>,
    pub(super) delayed: Option<Delayed>,
    pub(super) delays: u64,
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
    pub(super) fn note_ledger(&mut self, transitions: &[Transition], records: &[u32]) {
        if self.ledger != Ledger::Asked {
            return;
        }
        for (transition, record) in transitions.iter().zip(records) {
            if is_of_ledger(transition) {
                self.ledger_bytes += u64::from(*record);
            }
            if matches!(transition, Transition::CountersRestated { .. }) {
                self.ledger = Ledger::Restated;
            }
        }
    }

    pub(super) fn asked_for_ledger(&self) -> bool {
        self.ledger == Ledger::Asked
    }

    /// Notes that something has to be tried again.
    fn delay(&mut self, action: &'static str, error: &io::Error) {
        self.delayed = Some(Delayed::new(action, error));
        self.delays += 1;
    }

    /// Jobs with so many bytes have ended.
    pub(super) fn note_freed(&mut self, bytes: u64) {
        if let Some(fresh) = &mut self.fresh {
            *fresh += bytes;
        }
    }
}

impl<D: Disk> Journal<D> {
    pub(super) fn compaction_step(&mut self) -> Result<Compaction, StoreError> {
        self.forget_ended();
        self.held.clear();
        self.set_space_aside();
        let front = self.segments.front();
        let Some((oldest, puts_before)) = front.map(|oldest| (oldest.number, oldest.puts)) else {
            return Err(StoreError::Failed);
        };
        if self.segments.len() > 1 && oldest <= self.compaction.trimmed {
            return self.remove_oldest();
        }
        if !self.compaction.begun {
            self.compaction.begun = self.segments.len() > 1 && self.is_worthwhile(oldest);
        }
        if !self.compaction.begun {
            return Ok(Compaction::Idle(self.report()));
        }
        if self.index.at_home(Self::home(oldest)).jobs > 0 {
            return self.next_jobs(oldest);
        }
        match self.compaction.ledger {
            Ledger::Old if !self.ledger_fits() => Ok(Compaction::Idle(self.report())),
            Ledger::Old => {
                self.compaction.ledger = Ledger::Asked;
                self.compaction.ledger_bytes = 0;
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
    fn next_jobs(&mut self, oldest: u64) -> Result<Compaction, StoreError> {
        let from = self.compaction.cursor.unwrap_or(JobSeq(0));
        for step in self.fitting_steps(STEP) {
            let (jobs, next) = self.index.list_home(Self::home(oldest), from, step);
            // At the end it begins again: whatever is at home still, must be asked for.
            self.compaction.cursor = next;
            self.compaction.stuck = jobs.is_empty();
            if !jobs.is_empty() {
                return self.read_before_asking(jobs, from);
            }
        }
        Ok(Compaction::Idle(self.report()))
    }

    /// Asks for these jobs if all their contents can be read; otherwise for the end of
    /// those whose contents cannot be.
    fn read_before_asking(
        &mut self,
        jobs: Vec<JobSeq>,
        from: JobSeq,
    ) -> Result<Compaction, StoreError> {
        let asked = match self.hold(&jobs) {
            Ok(damaged) if damaged.is_empty() => return Ok(Compaction::RestateJobs(jobs)),
            Ok(damaged) => Compaction::Damaged(damaged),
            Err(StoreError::ContentBusy { .. }) => Compaction::Idle(self.report()),
            Err(error) => return Err(error),
        };
        self.compaction.cursor = Some(from);
        Ok(asked)
    }

    fn remove_oldest(&mut self) -> Result<Compaction, StoreError> {
        let oldest = self.segments.front();
        let Some((name, file, len)) =
            oldest.map(|it| (segment::name(it.number), it.file.clone(), it.len))
        else {
            return Err(StoreError::Failed);
        };
        if self.compaction.removal_failed.is_some_and(lately) {
            return Ok(Compaction::Idle(self.report()));
        }
        let is_reusable = file.is_written_in_place() && len == self.options.segment_bytes;
        let gone = if is_reusable {
            self.set_aside(&name, file)
        } else {
            self.disk.remove(&name)
        };
        if let Err(error) = gone {
            // A trimmed segment is not read again, so it may stay for a while.
            self.compaction
                .delay("cannot remove an old segment", &error);
            self.compaction.removal_failed = Some(Instant::now());
            return Ok(Compaction::Idle(self.report()));
        }
        // Under its old name it must stay what it was until the new one is durable (J2).
        let synced = self.disk.sync_dir();
        self.checked("cannot remove", &name, synced)?;
        self.segments.pop_front();
        self.compaction = CompactionState {
            begun: false,
            stuck: false,
            cursor: None,
            ledger: Ledger::Old,
            spare_failed: None,
            removal_failed: None,
            delayed: None,
            ..self.compaction
        };
        Ok(Compaction::Removed(self.report()))
    }

    /// Makes a segment that is no longer needed the reserve if there is none, else the
    /// spare, in place of the blank one: the file system gives away the blocks of a
    /// written file only slowly (14 ms for 64 MiB), and writes and syncs them faster than
    /// new ones. The directory must be synced before anything is written into it.
    fn set_aside(&mut self, name: &str, file: D::File) -> io::Result<()> {
        if self.reserve.is_none() {
            self.disk.rename(name, RESERVE_NAME)?;
            self.reserve = Some(file);
            return Ok(());
        }
        if self.spare.is_some() {
            self.disk.remove(SPARE_NAME)?;
            self.spare = None;
        }
        self.disk.rename(name, SPARE_NAME)?;
        self.spare = Some(file);
        Ok(())
    }

    /// Whether emptying the oldest segment gives back more than it costs.
    fn is_worthwhile(&mut self, oldest: u64) -> bool {
        let at_home = self.index.at_home(Self::home(oldest));
        if at_home.jobs == 0 {
            return true;
        }
        if self.spare.is_none() {
            return self.is_worthwhile_on_a_full_disk(oldest);
        }
        let used: u64 = self.segments.iter().map(|segment| segment.end).sum();
        let live = self.index.live_bytes();
        let segment = self.options.segment_bytes;
        let few = at_home.bytes <= segment / FEW_ALIVE;
        let wanted = if few { live } else { 2 * live };
        used > wanted + GARBAGE_SEGMENTS * segment
    }

    /// J5. Without room, puts are refused until there is.
    pub(super) fn set_space_aside(&mut self) {
        if self.spare.is_some() || self.compaction.spare_failed.is_some_and(lately) {
            return;
        }
        if self.reserve.is_none() {
            self.reserve = self.create_aside(RESERVE_NAME).ok();
        }
        if self.reserve.is_some() {
            self.spare = self.create_aside(SPARE_NAME).ok();
        }
        let failed = self.spare.is_none().then(Instant::now);
        self.compaction.spare_failed = failed;
        if failed.is_none() && self.compaction.removal_failed.is_none() {
            self.compaction.delayed = None;
        }
    }

    /// A file of a segment's size with its space set aside.
    pub(super) fn create_aside(&mut self, name: &'static str) -> io::Result<D::File> {
        let bytes = self.options.segment_bytes;
        let created = match self.disk.create(name, bytes) {
            // Left by an earlier try that could not remove what it had begun.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let removed = self.disk.remove(name);
                removed.and_then(|()| self.disk.create(name, bytes))
            }
            created => created,
        };
        if let Err(error) = &created
            && !is_full(error)
        {
            self.compaction.delay("cannot make a spare segment", error);
        }
        created
    }
}

/// Whether an error says that there is no room. `report` tells of that in its own way.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

fn lately(failed: Instant) -> bool {
    failed.elapsed() < RETRY
}
