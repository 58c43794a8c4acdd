//! Reading contents from disk, with their checksums looked at.
//!
//! A read that fails is a fact about the content it was for, never about the journal:
//! nothing was written, so what was acknowledged stays as durable as it was. What the
//! error means for the content depends on it:
//!
//! - Wrong checksums, or a file that has become shorter: the bytes are gone.
//! - An I/O error (EIO): the device could not read the sector. It is asked once more,
//!   for no more than the content, because the first read may have failed in what was
//!   read ahead. If it fails again the bytes are gone, too.
//! - No memory, an interrupted or a timed out call: says nothing about the bytes, so it is
//!   tried again after a moment, and the content is never given up for it.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;

use super::Journal;
use super::contents::ReadPart;
use super::frame::{CHUNK_BYTES, HEADER_BYTES, Header, contents_right};
use super::index::Blob;
use super::segment::{self, Segment};
use super::sizes::BLOB_HEAD_BYTES;
use crate::disk::{Disk, DiskFile};
use crate::seam::{DamagedContent, StoreError};

/// How often a read is tried again that failed for a reason that passes.
const RETRIES: u32 = 4;

/// The wait before the first of them; each next one is twice as long.
const RETRY_WAIT: Duration = Duration::from_millis(1);

/// Why contents could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Their bytes are not what was written: what is wrong.
    Damaged(&'static str),
    /// The operating system gave no bytes.
    Io(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Damaged("the file is shorter than it was")
        } else {
            Self::Io(error)
        }
    }
}

impl Unread {
    /// Whether the same read may work in a moment.
    fn passes(&self) -> bool {
        let Self::Io(error) = self else { return false };
        matches!(
            error.kind(),
            ErrorKind::OutOfMemory
                | ErrorKind::Interrupted
                | ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::ResourceBusy
        )
    }
}

impl<D: Disk> Journal<D> {
    /// The bytes of a content, headers' length in front.
    pub(super) fn read_blob(&mut self, job: JobSeq, blob: &Blob) -> Result<Bytes, StoreError> {
        if blob.len == BLOB_HEAD_BYTES {
            // Empty: no headers and no payload. There is nothing to read.
            return Ok(Bytes::from_static(&[0; BLOB_HEAD_BYTES as usize]));
        }
        if let Some(bytes) = self.cache.get(blob) {
            return Ok(bytes);
        }
        let part = self.read_part(job, blob)?;
        self.cache.read = Some(part);
        self.cache
            .get(blob)
            .ok_or_else(|| self.damaged(job, blob, "a content beyond its frame").into())
    }

    /// Reads the content of every live job; gives those that cannot be read.
    pub(crate) fn damaged_contents(&mut self) -> Result<Vec<DamagedContent>, StoreError> {
        let jobs: Vec<_> = self.index.jobs_from(JobSeq(0)).collect();
        let mut damaged = Vec::new();
        for (job, blob) in jobs {
            match self.read_blob(job, &blob) {
                Ok(_) => {}
                Err(StoreError::ContentDamaged(content)) => damaged.push(content),
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    /// Reads the part of a frame's contents that begins with `blob`.
    pub(super) fn read_part(&self, job: JobSeq, blob: &Blob) -> Result<ReadPart, StoreError> {
        let mut unread = match self.read_ahead(blob, self.cache.ahead(blob.place)) {
            Ok(part) => return Ok(part),
            Err(unread) => unread,
        };
        let mut wait = RETRY_WAIT;
        for n in 0..=RETRIES {
            if n > 0 {
                if !unread.passes() {
                    break;
                }
                pause(wait);
                wait *= 2;
            }
            // The blob alone: the error may have been in what was read ahead.
            match self.read_ahead(blob, 0) {
                Ok(part) => return Ok(part),
                Err(again) => unread = again,
            }
        }
        Err(self.unreadable(job, blob, unread))
    }

    fn unreadable(&self, job: JobSeq, blob: &Blob, unread: Unread) -> StoreError {
        let passes = unread.passes();
        match unread {
            Unread::Damaged(what) => self.damaged(job, blob, what).into(),
            Unread::Io(source) if passes => StoreError::ContentBusy {
                job,
                path: self.path_of(blob),
                source,
            },
            Unread::Io(source) => {
                let what = format!("the disk cannot read it ({source})");
                self.damaged(job, blob, &what).into()
            }
        }
    }

    /// Reads the chunks that hold `blob` once, and `ahead` bytes from their beginning.
    pub(super) fn read_ahead(&self, blob: &Blob, ahead: usize) -> Result<ReadPart, Unread> {
        let place = blob.place;
        let number = u64::from(place.segment);
        let found = self
            .segments
            .binary_search_by_key(&number, |segment| segment.number);
        let found = found.ok().and_then(|n| self.segments.get(n));
        let segment = found.ok_or(Unread::Damaged("its segment is gone"))?;
        let (from, bytes) = read_chunks(segment, blob, ahead)?;
        Ok(ReadPart {
            segment: place.segment,
            frame: place.frame,
            from: u32::try_from(from).unwrap_or(u32::MAX),
            bytes: bytes.into(),
        })
    }

    pub(super) fn damaged(&self, job: JobSeq, blob: &Blob, what: &str) -> DamagedContent {
        DamagedContent {
            job,
            path: self.path_of(blob),
            offset: u64::from(blob.place.frame),
            what: what.into(),
        }
    }

    fn path_of(&self, blob: &Blob) -> std::path::PathBuf {
        let number = u64::from(blob.place.segment);
        self.disk.path(&segment::name(number))
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a store blocks: its caller gives it a thread of its own"
)]
fn pause(wait: Duration) {
    thread::sleep(wait);
}

/// Reads whole chunks of the contents of a frame, so that `blob` is among them, and
/// `ahead` bytes as far as they go. Gives where they begin in the contents.
fn read_chunks<F: DiskFile>(
    segment: &Segment<F>,
    blob: &Blob,
    ahead: usize,
) -> Result<(usize, Vec<u8>), Unread> {
    let file = &segment.file;
    let frame = u64::from(blob.place.frame);
    let (at, len) = (blob.place.at as usize, blob.len as usize);
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, frame)?;
    let header = Header::decode(&header, segment.salt).ok_or(Unread::Damaged(
        "the header of the batch is not what was written",
    ))?;
    let contents_len = header.contents_len as usize;
    let first = at / CHUNK_BYTES;
    let from = first * CHUNK_BYTES;
    let upto = (at + len)
        .max(from + ahead)
        .next_multiple_of(CHUNK_BYTES)
        .min(contents_len);
    if at + len > contents_len {
        return Err(Unread::Damaged("a content beyond its batch"));
    }
    let mut table = vec![0; 4 * (upto - from).div_ceil(CHUNK_BYTES)];
    let table_at = HEADER_BYTES + header.meta_len as usize + 4 * first;
    file.read_exact_at(&mut table, frame + table_at as u64)?;
    let mut contents = vec![0; upto - from];
    file.read_exact_at(&mut contents, frame + (header.contents_at() + from) as u64)?;
    if contents_right(&contents, &table) {
        Ok((from, contents))
    } else {
        Err(Unread::Damaged(
            "the contents of the batch are not what was written",
        ))
    }
}
