//! The journal: the store of a server with a disk of its own.
//!
//! An append-only list of batches in numbered segment files. State is not in it,
//! only what happened; the engine replays it. What is no longer needed goes with
//! the oldest segment, after the live jobs in it have been written again at the
//! head. docs/STORAGE.md gives every byte and every rule.
//!
//! J1: `commit` says Ok only after the batch was synced by the policy.
//! J2: a name is relied on only after its directory was synced.
//! J3: after an error of a write or sync nothing is accepted any more.
//! J4: only bytes after which nothing valid follows are ever cut.
//! J5: while puts are taken, two whole segments are set aside beside the current one;
//! the last of them is for compaction.
//!
//! Absent: any knowledge of queues, states or leases.

mod buffer;
mod carried;
mod commit;
mod compact;
mod contents;
mod durability;
mod frame;
mod head;
mod held;
mod index;
mod live;
mod load;
mod open;
mod options;
mod presence;
mod read;
mod renew;
mod room;
mod salvage;
mod scan;
mod scrub;
mod segment;
mod sizes;
mod sync;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::time::Instant;

use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;

pub use self::options::JournalOptions;
pub use self::salvage::Gap;
pub(crate) use self::segment::name as segment_name;
pub use self::sync::{SyncPolicy, SyncPolicyError};

use self::compact::CompactionState;
use self::contents::Cache;
use self::durability::Durability;
use self::head::Head;
use self::held::Held;
use self::index::{Blob, Index};
use self::scrub::ScrubState;
use self::segment::Segment;
use crate::disk::{Disk, RealDisk};
use crate::doctor::Findings;
use crate::seam::{
    Batch, CommitError, Committed, Compaction, Epoch, Loaded, Position, Report, Scrubbed, Store,
    StoreError,
};

/// A store in a directory of segment files.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    disk: D,
    options: JournalOptions,
    /// Oldest first; the last one is written to. Empty before `load`.
    segments: VecDeque<Segment<D::File>>,
    /// A segment's worth of space, set aside for the next segment. Only there if the
    /// reserve is.
    spare: Option<D::File>,
    /// The same, for compaction when there is no spare.
    reserve: Option<D::File>,
    durability: Durability<D::File>,
    /// `None`: there was no room for it, or nothing was loaded yet.
    head: Option<Head<D::File>>,
    index: Index,
    cache: Cache,
    compaction: CompactionState,
    /// The contents that the compaction under way is about to copy.
    held: Held,
    scrub: ScrubState,
    /// Jobs that ended in the last batch: their contents go with the next.
    ended: Vec<(JobSeq, u64)>,
    /// What jobs had that were completed without a result in the last batch, and are
    /// kept: whoever that batch hands them to still needs it.
    emptied: BTreeMap<JobSeq, Blob>,
    epoch: Epoch,
    next: Position,
    failed: bool,
    /// When it was last looked whether the files are still there.
    presence_checked: Option<Instant>,
}

impl Journal<RealDisk> {
    /// The journal in the directory `dir`, which is created if need be and locked.
    /// Nothing is read before `load`.
    ///
    /// # Errors
    /// When the directory is in use or cannot be used.
    pub fn open(dir: &Path, options: JournalOptions) -> Result<Self, StoreError> {
        Ok(Self::on(RealDisk::open(dir)?, options))
    }
}

impl<D: Disk> Journal<D> {
    /// The journal on this disk.
    pub fn on(disk: D, options: JournalOptions) -> Self {
        Self {
            disk,
            options,
            segments: VecDeque::new(),
            spare: None,
            reserve: None,
            durability: Durability::new(),
            head: None,
            index: Index::default(),
            cache: Cache::new(options.cache_bytes),
            compaction: CompactionState::default(),
            held: Held::default(),
            scrub: ScrubState::default(),
            ended: Vec::new(),
            emptied: BTreeMap::new(),
            epoch: Epoch::default(),
            next: Position::default(),
            failed: false,
            presence_checked: None,
        }
    }

    /// Reads everything and changes nothing.
    pub(crate) fn examine(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Findings, StoreError> {
        self.examine_all(replay)
    }

    /// Marks the journal as failed if `result` is an error, and names the file.
    fn checked<T>(
        &mut self,
        action: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T, StoreError> {
        result.map_err(|source| {
            self.failed = true;
            StoreError::Io {
                action,
                path: self.disk.path(name),
                source,
            }
        })
    }

    /// J3: also after a sync in the background that failed.
    fn usable(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.segments.back().filter(|_| !self.failed) else {
            return Err(StoreError::Failed);
        };
        let name = segment::name(last.number);
        let synced = self.durability.check();
        self.checked("cannot sync", &name, synced)
    }

    fn report(&self) -> Report {
        let segments: u64 = self.segments.iter().map(|segment| segment.len).sum();
        let aside = u64::from(self.spare.is_some()) + u64::from(self.reserve.is_some());
        Report {
            space: self.space(),
            room: self.room(),
            disk_bytes: segments + aside * self.options.segment_bytes,
            segments: self.segments.len() as u64,
            delayed: self.compaction.delayed,
            delays: self.compaction.delays,
        }
    }

    /// The jobs that ended in the last batch are gone now.
    fn forget_ended(&mut self) {
        self.emptied.clear();
        let before = self.index.live_bytes();
        for (first, count) in self.ended.drain(..) {
            self.index.remove(first, count);
        }
        self.compaction.note_freed(before - self.index.live_bytes());
    }
}

impl<D: Disk> Store for Journal<D> {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        self.read_all(replay)
    }

    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        self.usable()?;
        if epoch != self.epoch || at != self.next {
            return Err(CommitError::Conflict);
        }
        Ok(self.append(batch)?)
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        self.usable()?;
        self.read_contents(jobs)
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        self.usable()?;
        self.check_presence()?;
        self.compaction_step()
    }

    fn scrub(&mut self, bytes_max: usize) -> Result<Scrubbed, StoreError> {
        self.usable()?;
        Ok(self.scrub_step(bytes_max))
    }
}
