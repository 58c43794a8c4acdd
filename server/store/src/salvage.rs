//! Reads a damaged data directory as far as it can be read, and changes nothing in it.

use std::path::Path;

use leaseq_engine::id::JobSeq;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Transition};

use crate::disk::RealDisk;
pub use crate::journal::Gap;
use crate::journal::{Journal, JournalOptions};
use crate::seam::{DamagedContent, StoreError};

/// A damaged directory of which everything was read that can be read.
#[derive(Debug)]
pub struct Salvage {
    journal: Journal<RealDisk>,
    /// The parts that could not be read.
    pub gaps: Vec<Gap>,
    /// How many batches were read.
    pub batches: u64,
    /// The time of the last one.
    pub last_time: Time,
    /// Transitions that contradict the others, and were passed over.
    pub passed_over: u64,
}

impl Salvage {
    /// Reads the directory. `take` gets the transitions in order and says whether one fits
    /// those before it.
    ///
    /// # Errors
    /// When the directory is in use, is not there, or one of its files cannot be opened.
    pub fn read(dir: &Path, take: &mut dyn FnMut(&Transition) -> bool) -> Result<Self, StoreError> {
        let disk = RealDisk::open_read_only(dir)?;
        let mut journal = Journal::on(disk, JournalOptions::default());
        let read = journal.salvage_all(take)?;
        Ok(Self {
            journal,
            gaps: read.gaps,
            batches: read.batches,
            last_time: read.last_time,
            passed_over: read.passed_over,
        })
    }

    /// The jobs whose contents cannot be read.
    ///
    /// # Errors
    /// When the machine is short of memory.
    pub fn damaged(&mut self) -> Result<Vec<DamagedContent>, StoreError> {
        self.journal.damaged_contents()
    }

    /// The content of one job.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&mut self, job: JobSeq) -> Result<Content, StoreError> {
        let contents = self.journal.read_contents(&[job])?;
        contents
            .into_iter()
            .next()
            .ok_or(StoreError::NoContent { job })
    }
}
