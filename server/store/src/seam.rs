//! The seam between the shard and whatever remembers: five methods. A sixth
//! needs an ADR.

mod error;

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use leaseq_engine::id::JobSeq;
pub use leaseq_engine::space::Space;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Transition};

pub use error::{CommitError, DamagedContent, StoreError};

/// How many batches of the namespace come before this place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

/// Which owner of the namespace writes; goes up with each `load`. The commit of an
/// owner whose epoch has passed fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// What one commit makes durable: all or nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Batch {
    /// The time the transitions happened at.
    pub time: Time,
    /// The transitions, in order.
    pub transitions: Vec<Transition>,
}

/// Durability of a namespace.
///
/// Order of calls: `load` once, then any of the others. All of them block; the
/// caller gives them a thread. After an error that is not `CommitError::Conflict`
/// every later call fails as well: memory and disk may disagree, and only a new
/// `load` can tell.
pub trait Store: Send {
    /// Takes ownership (a new epoch) and hands over every batch that was
    /// committed, oldest first, contents left out. The flag is true while
    /// transitions may speak of jobs whose beginning has been dropped by `compact`.
    ///
    /// # Errors
    /// When the store cannot be read, is damaged, is newer than this program, or
    /// `replay` refuses.
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError>;

    /// Appends `batch` as the `at`-th, atomically. Ok only when it is durable by
    /// the store's sync policy.
    ///
    /// # Errors
    /// `Conflict` if another writer was first: nothing was written. Anything else
    /// is final.
    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError>;

    /// The contents of these jobs, in order. A job that ended in the last
    /// committed batch still has its content, unless `compact` was called since; one
    /// that ended before has not. A job
    /// that was completed and is kept has its result instead, at once; if the result
    /// is empty, only from the next batch on: a Get that completes what it hands out
    /// still needs what it hands out.
    ///
    /// # Errors
    /// `ContentDamaged`, `ContentBusy` and `NoContent` are about the job they name: the
    /// store goes on, and the contents of other jobs can be asked for.
    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError>;

    /// One bounded step of reclaiming space.
    ///
    /// # Errors
    /// When the store fails.
    fn compact(&mut self) -> Result<Compaction, StoreError>;

    /// Reads the next part of the contents of live jobs, about `bytes_max` bytes, and
    /// compares it with its checksums, so that damage is found before a worker asks.
    /// A store that cannot rot has nothing to read.
    ///
    /// # Errors
    /// When the store failed before. Damage is not an error.
    fn scrub(&mut self, bytes_max: usize) -> Result<Scrubbed, StoreError> {
        let _ = bytes_max;
        Ok(Scrubbed {
            pass_ended: true,
            ..Scrubbed::default()
        })
    }
}

/// What `load` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The epoch to commit with.
    pub epoch: Epoch,
    /// The position of the next batch.
    pub next: Position,
    /// The time of the last batch; the epoch's start if there is none.
    pub last_time: Time,
    /// Bytes of a torn, never acknowledged batch that were cut off the end.
    pub torn_bytes: u64,
    /// How the store stands.
    pub report: Report,
    /// What is missing, if the store was told to start without it.
    pub loss: Option<Loss>,
    /// What the file system lacks.
    pub shortcomings: Shortcomings,
}

/// What the file system of a data directory lacks that a journal makes use of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shortcomings {
    /// Space cannot be set aside without writing it.
    pub no_preallocation: bool,
    /// The directory cannot be locked, only the file `LOCK` in it.
    pub no_directory_lock: bool,
    /// A block that is written again takes new space.
    pub copy_on_write: bool,
    /// It is on another machine.
    pub network: bool,
}

/// The end of the journal is missing: the store has noted that it reached further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The newest segment that was begun.
    pub segment: u64,
    /// At least so many batches were durable.
    pub batches: Position,
    /// The newest segment that is there.
    pub newest_found: Option<u64>,
    /// How many batches are there, those in removed segments included.
    pub batches_found: Position,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = crate::journal::segment_name;
        match self.newest_found {
            None => write!(
                f,
                "there is no segment, but HEAD says that the newest one was {}",
                name(self.segment)
            ),
            Some(found) if found < self.segment => write!(
                f,
                "{} is missing: HEAD says that it was begun, and the newest segment found is {}",
                name(self.segment),
                name(found)
            ),
            Some(found) => write!(
                f,
                "{} ends after batch {}, but HEAD says that {} batches were durable",
                name(found),
                self.batches_found.0,
                self.batches.0
            ),
        }
    }
}

/// A batch is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The position of the next batch.
    pub next: Position,
    /// Bytes written.
    pub bytes: u64,
    /// How long the disk took to make them durable.
    pub sync_time: Duration,
    /// How the store stands.
    pub report: Report,
}

/// How the store stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How much room there is.
    pub space: Space,
    /// Bytes that may be written before there is room for compaction only. Meaningless
    /// while there is enough.
    pub room: u64,
    /// Bytes on disk, reserve included.
    pub disk_bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// What the operating system refuses at present and is tried again every second.
    pub delayed: Option<Delayed>,
    /// How often something was delayed since the start.
    pub delays: u64,
}

/// A file that could not be made, renamed or removed for now. No promise depends on it:
/// until it succeeds, there is less room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delayed {
    /// What was tried.
    pub action: &'static str,
    /// What came back.
    pub error: ErrorKind,
    /// The same as the number of the operating system, if there is one.
    pub code: Option<i32>,
}

impl Delayed {
    pub(crate) fn new(action: &'static str, error: &io::Error) -> Self {
        Self {
            action,
            error: error.kind(),
            code: error.raw_os_error(),
        }
    }
}

impl fmt::Display for Delayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{}: {}", self.action, io::Error::from_raw_os_error(code)),
            None => write!(f, "{}: {}", self.action, self.error),
        }
    }
}

/// What a step of `compact` wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compaction {
    /// Nothing to do now.
    Idle(Report),
    /// These jobs stand in the way of removing the oldest segment: restate them
    /// (`Command::RestateJobs`), commit, and call again. At most 4000 jobs
    /// and a mebibyte of content, unless a single one is larger.
    RestateJobs(Vec<JobSeq>),
    /// Restate the ledger (`Command::RestateLedger`) with this count of remembered Puts,
    /// those of `load` included; commit up to and including
    /// `Transition::CountersRestated`, and call again.
    RestateLedger {
        /// How many are in the oldest segment and before it.
        puts_before: u64,
    },
    /// A segment was removed; there may be more to do.
    Removed(Report),
    /// The contents of these jobs would have to be copied and cannot be read: end them
    /// (`Command::ContentLost`), commit, and call again.
    Damaged(Vec<DamagedContent>),
}

/// What one step of `scrub` has read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scrubbed {
    /// Bytes read.
    pub bytes: u64,
    /// The jobs whose contents cannot be read: end them (`Command::ContentLost`).
    pub damaged: Vec<DamagedContent>,
    /// All live jobs have been looked at; the next step begins again.
    pub pass_ended: bool,
}
