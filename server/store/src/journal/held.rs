//! Contents that compaction is about to copy, read before it asks for the copy.
//!
//! A commit cannot leave out a job whose content turns out to be damaged: the batch says
//! how large each is. So every content is read and checked first, and the jobs whose
//! contents cannot be read are ended instead. What was read is kept for the commit, which
//! therefore reads nothing that could fail.

use std::collections::BTreeMap;
use std::ops::Range;

use leaseq_engine::id::JobSeq;

use super::Journal;
use super::index::{Blob, Place};
use crate::disk::Disk;
use crate::seam::{DamagedContent, StoreError};

/// The contents of one step of compaction: a mebibyte, unless a single job is larger.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Where each is in `bytes`, and where it was on disk.
    jobs: BTreeMap<JobSeq, (Place, Range<usize>)>,
}

impl Held {
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        // Not `clear`: one large job would keep its memory taken.
        self.bytes = Vec::new();
    }

    /// The content of `job`, if it is still the one at `blob`.
    pub(super) fn get(&self, job: JobSeq, blob: &Blob) -> Option<&[u8]> {
        let (place, range) = self.jobs.get(&job)?;
        (*place == blob.place).then(|| self.bytes.get(range.clone()))?
    }

    fn add(&mut self, job: JobSeq, blob: &Blob, bytes: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let range = from..self.bytes.len();
        self.jobs.insert(job, (blob.place, range));
    }
}

impl<D: Disk> Journal<D> {
    /// Reads the contents of these jobs and holds them for the commit that copies them.
    /// Gives the jobs whose contents cannot be read; then nothing is held.
    pub(super) fn hold(&mut self, jobs: &[JobSeq]) -> Result<Vec<DamagedContent>, StoreError> {
        self.held.clear();
        let mut damaged = Vec::new();
        for job in jobs {
            let Some(blob) = self.index.locate(*job) else {
                continue;
            };
            match self.read_blob(*job, &blob) {
                Ok(bytes) => self.held.add(*job, &blob, &bytes),
                Err(StoreError::ContentDamaged(content)) => damaged.push(content),
                Err(error) => return Err(error),
            }
        }
        if !damaged.is_empty() {
            self.held.clear();
        }
        Ok(damaged)
    }
}
