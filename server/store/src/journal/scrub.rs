//! Reading cold contents in the background, so that damage is found before a worker asks
//! for the job.
//!
//! Every live job is looked at in turn, a bounded number of bytes a step. What is read
//! goes into no cache. Chunks in which no live job has its content are not read.

use leaseq_engine::id::JobSeq;

use super::Journal;
use super::contents::ReadPart;
use super::frame::CHUNK_BYTES;
use super::index::{Blob, Place};
use super::sizes::BLOB_HEAD_BYTES;
use crate::disk::Disk;
use crate::seam::{DamagedContent, Scrubbed, StoreError};

/// One step looks at this many jobs at most: those that lie in bytes just read cost no
/// reading, but looking takes time, too.
const JOBS_MAX: usize = 4096;

/// How far the pass is.
#[derive(Debug, Default)]
pub(super) struct ScrubState {
    /// The next job; `None`: the first one.
    job: Option<JobSeq>,
    /// How much of its content has been read.
    done: u32,
}

impl<D: Disk> Journal<D> {
    pub(super) fn scrub_step(&mut self, bytes_max: usize) -> Scrubbed {
        let mut scrubbed = Scrubbed::default();
        let from = self.scrub.job.unwrap_or(JobSeq(0));
        let jobs: Vec<(JobSeq, Blob)> = self.index.jobs_from(from).take(JOBS_MAX).collect();
        let mut done = match jobs.first() {
            Some((first, _)) if *first == from => self.scrub.done,
            Some(_) | None => 0,
        };
        let mut part: Option<ReadPart> = None;
        for (job, blob) in &jobs {
            self.scrub = ScrubState {
                job: Some(*job),
                done,
            };
            while done < blob.len && blob.len > BLOB_HEAD_BYTES {
                let rest = rest_of(blob, done);
                if let Some(upto) = part.as_ref().and_then(|part| covers(part, rest.place)) {
                    done += (upto - rest.place.at).min(rest.len);
                    continue;
                }
                if scrubbed.bytes >= bytes_max as u64 {
                    self.scrub.done = done;
                    return scrubbed;
                }
                match self.scrub_read(&rest, bytes_max) {
                    Some(read) => {
                        scrubbed.bytes += read.bytes.len() as u64;
                        part = Some(read);
                    }
                    None => {
                        scrubbed.bytes += u64::from(blob.len);
                        scrubbed.damaged.extend(self.check_alone(*job, blob));
                        break;
                    }
                }
            }
            done = 0;
            self.scrub = ScrubState {
                job: Some(job.plus(1)),
                done,
            };
        }
        if jobs.len() < JOBS_MAX {
            scrubbed.pass_ended = true;
            self.scrub = ScrubState::default();
        }
        scrubbed
    }

    /// Reads on from the beginning of `rest`: its first chunk, and more up to `bytes_max`.
    /// `None`: something of that cannot be read.
    fn scrub_read(&self, rest: &Blob, bytes_max: usize) -> Option<ReadPart> {
        let in_chunk = CHUNK_BYTES - rest.place.at as usize % CHUNK_BYTES;
        let first = Blob {
            len: rest.len.min(u32::try_from(in_chunk).unwrap_or(u32::MAX)),
            ..*rest
        };
        self.read_ahead(&first, bytes_max).ok()
    }

    /// What is wrong with the content of this job, if it is this one that is damaged.
    fn check_alone(&self, job: JobSeq, blob: &Blob) -> Option<DamagedContent> {
        match self.read_part(job, blob) {
            Err(StoreError::ContentDamaged(damaged)) => Some(damaged),
            Ok(_) | Err(_) => None,
        }
    }
}

/// The content without its first `done` bytes.
fn rest_of(blob: &Blob, done: u32) -> Blob {
    Blob {
        place: Place {
            at: blob.place.at + done,
            ..blob.place
        },
        len: blob.len - done,
    }
}

/// Where `part` ends, if `place` is in it.
fn covers(part: &ReadPart, place: Place) -> Option<u32> {
    let end = part.from + u32::try_from(part.bytes.len()).unwrap_or(u32::MAX);
    let same = (part.segment, part.frame) == (place.segment, place.frame);
    (same && (part.from..end).contains(&place.at)).then_some(end)
}
