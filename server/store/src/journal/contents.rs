//! Giving contents back: from the frames still in memory, or from disk (`read`).

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;

use super::Journal;
use super::frame::CHUNK_BYTES;
use super::index::{Blob, Place};
use super::sizes::BLOB_HEAD_BYTES;
use crate::disk::Disk;
use crate::seam::StoreError;

/// How much of a frame's contents is read at a time, at most. The first read of a frame
/// is a chunk, and each that goes on where the last one ended is `READ_GROWTH` times as
/// long: who wants one job of an old Put after the other gets long reads, and single
/// jobs from here and there cost no more than they must.
const READ_BYTES_MAX: usize = 256 << 10;

const READ_GROWTH: usize = 4;

/// The last frames that were written, and the last part that was read.
#[derive(Debug)]
pub(super) struct Cache {
    bytes_max: usize,
    bytes: usize,
    /// Ascending by segment and place.
    frames: VecDeque<CachedFrame>,
    pub(super) read: Option<ReadPart>,
}

#[derive(Debug)]
struct CachedFrame {
    segment: u32,
    at: u32,
    contents_at: usize,
    bytes: Bytes,
}

/// A part of the contents of a frame on disk.
#[derive(Debug)]
pub(super) struct ReadPart {
    pub(super) segment: u32,
    pub(super) frame: u32,
    /// Where it begins in the contents.
    pub(super) from: u32,
    pub(super) bytes: Bytes,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            frames: VecDeque::new(),
            read: None,
        }
    }

    /// Keeps a frame that was just written.
    pub(super) fn push(&mut self, segment: u32, at: u32, contents_at: usize, bytes: Bytes) {
        self.bytes += bytes.len();
        self.frames.push_back(CachedFrame {
            segment,
            at,
            contents_at,
            bytes,
        });
        while self.bytes > self.bytes_max && self.frames.len() > 1 {
            if let Some(oldest) = self.frames.pop_front() {
                self.bytes -= oldest.bytes.len();
            }
        }
    }

    /// What is in memory of the contents of the frame that `place` is in.
    fn part(&self, place: Place) -> Option<Part<'_>> {
        let wanted = (place.segment, place.frame);
        let found = self
            .frames
            .binary_search_by_key(&wanted, |frame| (frame.segment, frame.at));
        if let Some(frame) = found.ok().and_then(|n| self.frames.get(n)) {
            return Some(Part {
                bytes: &frame.bytes,
                start: frame.contents_at,
                from: 0,
            });
        }
        let read = self.read.as_ref()?;
        ((read.segment, read.frame) == wanted).then_some(Part {
            bytes: &read.bytes,
            start: 0,
            from: read.from,
        })
    }

    /// How much to read from the chunk of `place` on.
    pub(super) fn ahead(&self, place: Place) -> usize {
        let chunk = place.at as usize / CHUNK_BYTES * CHUNK_BYTES;
        let goes_on = |read: &&ReadPart| {
            let end = read.from as usize + read.bytes.len();
            (read.segment, read.frame) == (place.segment, place.frame)
                && (chunk..=chunk + CHUNK_BYTES).contains(&end)
        };
        let last = self.read.as_ref().filter(goes_on);
        last.map_or(CHUNK_BYTES, |read| {
            (read.bytes.len() * READ_GROWTH).min(READ_BYTES_MAX)
        })
    }

    pub(super) fn get(&self, blob: &Blob) -> Option<Bytes> {
        let part = self.part(blob.place)?;
        part.range(blob).map(|range| part.bytes.slice(range))
    }
}

/// Contents of one frame in memory, from the position `from` on; that is at `start` of
/// the bytes.
struct Part<'a> {
    bytes: &'a Bytes,
    start: usize,
    from: u32,
}

impl Part<'_> {
    /// Where a blob of the frame is in the bytes; `None`: not in this part.
    fn range(&self, blob: &Blob) -> Option<Range<usize>> {
        let from = self.start + blob.place.at.checked_sub(self.from)? as usize;
        let range = from..from + blob.len as usize;
        (range.end <= self.bytes.len()).then_some(range)
    }

    /// Headers and payload at `range`; `None`: it is shorter than it says.
    fn content(&self, range: Range<usize>) -> Option<Content> {
        let blob = self.bytes.get(range.clone())?;
        let headers_len = u16::from_le_bytes(*blob.first_chunk::<2>()?) as usize;
        let headers_at = range.start + BLOB_HEAD_BYTES as usize;
        let payload_at = headers_at + headers_len;
        (payload_at <= range.end).then(|| Content {
            // An empty slice holds on to nothing.
            headers: self.bytes.slice(headers_at..payload_at),
            payload: self.bytes.slice(payload_at..range.end),
        })
    }
}

impl<D: Disk> Journal<D> {
    pub(crate) fn read_contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        let mut contents = Vec::with_capacity(jobs.len());
        while let Some(job) = jobs.get(contents.len()) {
            let rest = jobs.get(contents.len()..).unwrap_or_default();
            let before = contents.len();
            self.take_together(rest, &mut contents)?;
            if contents.len() == before {
                let emptied = self.emptied.get(job).copied();
                let blob = emptied
                    .or_else(|| self.index.locate(*job))
                    .ok_or(StoreError::NoContent { job: *job })?;
                if blob.len == BLOB_HEAD_BYTES {
                    contents.push(Content::default());
                    continue;
                }
                let bytes = self.read_blob(*job, &blob)?;
                let part = Part {
                    bytes: &bytes,
                    start: 0,
                    from: blob.place.at,
                };
                contents.push(self.content(*job, &part, &blob, 0..bytes.len())?);
            }
        }
        Ok(contents)
    }

    /// Adds the contents of the first of `jobs` as long as they came together and are in
    /// memory: nearly always all of them.
    fn take_together(
        &self,
        jobs: &[JobSeq],
        contents: &mut Vec<Content>,
    ) -> Result<(), StoreError> {
        if !self.emptied.is_empty() {
            return Ok(());
        }
        let mut blobs = self.index.locate_together(jobs).peekable();
        let part = blobs.peek().and_then(|blob| self.cache.part(blob.place));
        let Some(part) = part else { return Ok(()) };
        for (job, blob) in jobs.iter().zip(blobs) {
            let Some(range) = part.range(&blob) else {
                break;
            };
            contents.push(self.content(*job, &part, &blob, range)?);
        }
        Ok(())
    }

    fn content(
        &self,
        job: JobSeq,
        part: &Part<'_>,
        blob: &Blob,
        range: Range<usize>,
    ) -> Result<Content, StoreError> {
        part.content(range).ok_or_else(|| {
            self.damaged(job, blob, "a content shorter than its headers")
                .into()
        })
    }
}
