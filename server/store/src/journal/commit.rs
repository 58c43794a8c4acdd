//! Appending: one frame, one write, one sync.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use leaseq_engine::id::JobSeq;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, End, Sizes, Transition};

use super::Journal;
use super::frame::{ALIGN, HEADER_BYTES, Header, Kind, table_len, table_of};
use super::index::{BLOB_HEAD_BYTES, Index, Place, bytes_of, count_of};
use super::segment::{self, SEGMENT_HEADER_BYTES, SPARE_NAME, Segment, SegmentHeader};
use super::sync::SyncPolicy;
use crate::disk::{Disk, DiskFile};
use crate::record;
use crate::seam::{Batch, Committed, Position, StoreError};

impl<D: Disk> Journal<D> {
    /// Makes a batch the next one.
    pub(super) fn append(&mut self, batch: Batch) -> Result<Committed, StoreError> {
        self.forget_ended();
        let mut meta = Vec::with_capacity(64 * batch.transitions.len());
        let mut contents_len = 0;
        for transition in &batch.transitions {
            record::encode(transition, &mut meta);
            contents_len += carried(transition).bytes();
        }
        let draft = Draft {
            kind: Kind::Batch,
            time: batch.time,
            meta,
            contents_len,
        };
        let written = self.write_frame(&draft, |journal, frame| {
            batch
                .transitions
                .iter()
                .try_for_each(|it| journal.add_contents(it, frame))
        })?;
        self.next = Position(self.next.0 + 1);
        let started = Instant::now();
        self.make_durable()?;
        self.compaction.note_ledger(&batch.transitions);
        Ok(Committed {
            next: self.next,
            bytes: written,
            sync_time: started.elapsed(),
            report: self.report(),
        })
    }

    /// Notes that segments up to `number` are no longer needed.
    pub(super) fn write_trim(&mut self, number: u64) -> Result<(), StoreError> {
        let meta = number.to_le_bytes().to_vec();
        let draft = Draft {
            kind: Kind::Trim,
            time: Time::default(),
            meta,
            contents_len: 0,
        };
        self.write_frame(&draft, |_, _| Ok(()))?;
        // Whatever the policy: the segment is about to be removed for good.
        self.sync_last()
    }

    /// Writes a frame at the end. Gives the bytes written.
    fn write_frame(
        &mut self,
        draft: &Draft,
        add_contents: impl FnOnce(&mut Self, &mut FrameBuffer) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        self.make_room(draft.frame_len())?;
        let Some(last) = self.segments.back() else {
            return Err(StoreError::Failed);
        };
        let (number, file, at) = (last.number, last.file.clone(), last.end);
        let mut frame = FrameBuffer::new(draft, number, at)?;
        add_contents(self, &mut frame)?;
        let frame = frame.finish(draft, |meta_crc| Header {
            kind: draft.kind,
            meta_len: draft.meta_len(),
            contents_len: u32::try_from(draft.contents_len).unwrap_or(u32::MAX),
            position: self.next,
            epoch: self.epoch,
            time: draft.time,
            meta_crc,
            durable: self.durable(),
        });
        let name = segment::name(number);
        self.checked("cannot write", &name, file.write_all_at(&frame.bytes, at))?;
        let len = frame.bytes.len() as u64;
        if let Some(last) = self.segments.back_mut() {
            last.end = at + len;
            last.len = last.len.max(last.end);
        }
        self.cache
            .push(frame.segment, frame.at, frame.contents_at, frame.bytes);
        Ok(len)
    }

    /// J1.
    fn make_durable(&mut self) -> Result<(), StoreError> {
        match self.options.sync {
            SyncPolicy::Always => self.sync_last(),
            SyncPolicy::Os => Ok(()),
            SyncPolicy::Interval(_) => {
                let (Some(flusher), Some(last)) = (&self.flusher, self.segments.back()) else {
                    return Err(StoreError::Failed);
                };
                let name = segment::name(last.number);
                let told = flusher.written(&last.file, self.next);
                self.checked("cannot sync", &name, told)
            }
        }
    }

    /// Syncs everything written so far.
    fn sync_last(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.segments.back() else {
            return Err(StoreError::Failed);
        };
        let (name, file) = (segment::name(last.number), last.file.clone());
        self.checked("cannot sync", &name, file.sync_data())?;
        self.durable = self.next;
        if let Some(flusher) = &self.flusher {
            flusher.synced(self.next);
        }
        Ok(())
    }

    /// Every batch before this is synced.
    fn durable(&self) -> Position {
        self.flusher
            .as_ref()
            .map_or(self.durable, |flusher| self.durable.max(flusher.durable()))
    }

    /// Makes sure that the last segment has room for so many bytes.
    fn make_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let Some(last) = self.segments.back() else {
            return Err(StoreError::Failed);
        };
        let fits = last.end + bytes as u64 <= last.len;
        let is_empty = last.end == SEGMENT_HEADER_BYTES as u64;
        if fits || is_empty {
            return Ok(());
        }
        let next = last.number + 1;
        // A segment that is not the last one is durable as a whole, whatever the
        // policy: only the end of the last may be torn.
        self.sync_last()?;
        self.start_segment(next)
    }

    /// Begins a segment in the space set aside (J2).
    pub(super) fn start_segment(&mut self, number: u64) -> Result<(), StoreError> {
        let file = match self.spare.take() {
            Some(file) => file,
            None => {
                let created = self.disk.create(SPARE_NAME, self.options.segment_bytes);
                self.checked(
                    "no room for a new segment: cannot create",
                    SPARE_NAME,
                    created,
                )?
            }
        };
        let header = SegmentHeader {
            number,
            first: self.next,
            epoch: self.epoch,
        };
        let name = segment::name(number);
        let begun = file
            .write_all_at(&header.encode(), 0)
            .and_then(|()| file.sync_data())
            .and_then(|()| self.disk.rename(SPARE_NAME, &name))
            .and_then(|()| self.disk.sync_dir())
            .and_then(|()| file.len());
        let len = self.checked("cannot begin", &name, begun)?;
        let end = SEGMENT_HEADER_BYTES as u64;
        self.segments.push_back(Segment {
            number,
            file,
            end,
            len,
        });
        Ok(())
    }

    /// Adds what a transition brings or copies to the frame, and to the index.
    fn add_contents(
        &mut self,
        transition: &Transition,
        frame: &mut FrameBuffer,
    ) -> Result<(), StoreError> {
        let at = frame.contents_len();
        match carried(transition) {
            Carried::Nothing | Carried::Ended => {}
            Carried::Added {
                contents, sizes, ..
            } => {
                debug_assert_eq!(contents.len(), count_of(&sizes) as usize, "a size for each");
                contents.iter().for_each(|content| frame.add(content));
            }
            Carried::Result { result, .. } => {
                frame.add(&Content {
                    headers: Bytes::new(),
                    payload: result.clone(),
                });
            }
            Carried::Copied { first, sizes } => {
                for n in 0..u64::from(count_of(&sizes)) {
                    let blob = self.index.locate(first.plus(n));
                    let blob = blob.ok_or(StoreError::NoContent { job: first.plus(n) })?;
                    match frame.own(&blob) {
                        Some(range) => frame.repeat(range),
                        None => {
                            let bytes = self.read_blob(&blob)?;
                            frame.bytes.put_slice(&bytes);
                        }
                    }
                }
            }
        }
        let noted = note(
            &mut self.index,
            &mut self.ended,
            transition,
            frame.segment,
            frame.at,
            at,
        );
        let right = noted.is_some_and(|end| end == frame.contents_len());
        if right {
            Ok(())
        } else {
            self.failed = true;
            let what = "a transition whose sizes are not those of its contents".into();
            Err(StoreError::Contradiction { what })
        }
    }
}

/// A frame before its place is known.
struct Draft {
    kind: Kind,
    time: Time,
    meta: Vec<u8>,
    contents_len: u64,
}

impl Draft {
    fn meta_len(&self) -> u32 {
        u32::try_from(self.meta.len()).unwrap_or(u32::MAX)
    }

    fn contents_at(&self) -> usize {
        let contents = usize::try_from(self.contents_len).unwrap_or(usize::MAX);
        HEADER_BYTES + self.meta.len() + table_len(contents)
    }

    fn frame_len(&self) -> usize {
        let contents = usize::try_from(self.contents_len).unwrap_or(usize::MAX);
        self.contents_at()
            .saturating_add(contents)
            .next_multiple_of(ALIGN)
    }
}

/// A frame being filled: one buffer, written with one call, then kept as cache.
struct FrameBuffer {
    bytes: BytesMut,
    segment: u32,
    at: u32,
    contents_at: usize,
}

/// A frame as it is written.
struct FullFrame {
    bytes: Bytes,
    segment: u32,
    at: u32,
    contents_at: usize,
}

impl FrameBuffer {
    fn new(draft: &Draft, segment: u64, at: u64) -> Result<Self, StoreError> {
        let too_large = || StoreError::Contradiction {
            what: "a batch beyond what a segment can hold".into(),
        };
        let place = |value: u64| u32::try_from(value).map_err(|_| too_large());
        place(at + draft.frame_len() as u64)?;
        let contents_at = draft.contents_at();
        let mut bytes = BytesMut::with_capacity(draft.frame_len());
        bytes.put_bytes(0, HEADER_BYTES);
        bytes.put_slice(&draft.meta);
        bytes.put_bytes(0, contents_at - bytes.len());
        Ok(Self {
            bytes,
            segment: place(segment)?,
            at: place(at)?,
            contents_at,
        })
    }

    fn contents_len(&self) -> u32 {
        u32::try_from(self.bytes.len() - self.contents_at).unwrap_or(u32::MAX)
    }

    fn add(&mut self, content: &Content) {
        // The API bounds headers far below 64 KiB.
        let headers_len = u16::try_from(content.headers.len()).unwrap_or(u16::MAX);
        self.bytes.put_u16_le(headers_len);
        self.bytes.put_slice(&content.headers);
        self.bytes.put_slice(&content.payload);
    }

    /// Adds bytes that are in this buffer already.
    fn repeat(&mut self, range: std::ops::Range<usize>) {
        let bytes = self
            .bytes
            .get(range)
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        self.bytes.put_slice(&bytes);
    }

    /// Where `blob` is in this buffer, if it is a part of this very frame.
    fn own(&self, blob: &super::index::Blob) -> Option<std::ops::Range<usize>> {
        let place = blob.place;
        (place.segment == self.segment && place.frame == self.at).then(|| {
            let from = self.contents_at + place.at as usize;
            from..from + blob.len as usize
        })
    }

    fn finish(mut self, draft: &Draft, header: impl FnOnce(u32) -> Header) -> FullFrame {
        let table_at = HEADER_BYTES + draft.meta.len();
        let (head, contents) = self.bytes.split_at_mut(self.contents_at);
        if let Some(table) = head.get_mut(table_at..) {
            for (slot, crc) in table.chunks_exact_mut(4).zip(table_of(contents)) {
                slot.copy_from_slice(&crc);
            }
        }
        if let Some((header_bytes, checked)) = head.split_at_mut_checked(HEADER_BYTES) {
            header_bytes.copy_from_slice(&header(crc32c::crc32c(checked)).encode());
        }
        self.bytes.resize(draft.frame_len(), 0);
        FullFrame {
            bytes: self.bytes.freeze(),
            segment: self.segment,
            at: self.at,
            contents_at: self.contents_at,
        }
    }
}

/// What a transition means to the contents.
pub(super) enum Carried<'a> {
    Nothing,
    /// New jobs, with their contents.
    Added {
        first: JobSeq,
        sizes: std::borrow::Cow<'a, Sizes>,
        contents: &'a [Content],
    },
    /// Jobs that are written again: their contents are copied.
    Copied {
        first: JobSeq,
        sizes: std::borrow::Cow<'a, Sizes>,
    },
    /// A result that replaces the content of its job.
    Result {
        job: JobSeq,
        size: u32,
        result: &'a Bytes,
    },
    /// Jobs whose contents are no longer needed: see `ended`.
    Ended,
}

impl Carried<'_> {
    /// Bytes it adds to the contents of its frame.
    fn bytes(&self) -> u64 {
        match self {
            Self::Nothing | Self::Ended => 0,
            Self::Added { sizes, .. } | Self::Copied { sizes, .. } => bytes_of(sizes),
            Self::Result { size, .. } => u64::from(size + BLOB_HEAD_BYTES),
        }
    }
}

/// What `transition` means to the contents.
pub(super) fn carried(transition: &Transition) -> Carried<'_> {
    use std::borrow::Cow::{Borrowed, Owned};
    let single = |size| Owned(Sizes::Uniform { count: 1, size });
    match transition {
        Transition::JobsAdded {
            first,
            sizes,
            contents,
            ..
        } => Carried::Added {
            first: *first,
            sizes: Borrowed(sizes),
            contents,
        },
        Transition::OutcomeAdded {
            job, size, content, ..
        } => Carried::Added {
            first: *job,
            sizes: single(*size),
            contents: std::slice::from_ref(content),
        },
        Transition::JobsRestated { first, sizes, .. } => Carried::Copied {
            first: *first,
            sizes: Borrowed(sizes),
        },
        Transition::JobRestated(job) => Carried::Copied {
            first: job.job,
            sizes: single(job.size),
        },
        Transition::JobEnded {
            job,
            end,
            retain_until,
            result_size,
            result,
            ..
        } => match (end, retain_until) {
            (End::Completed, Some(_)) => Carried::Result {
                job: *job,
                size: *result_size,
                result,
            },
            (End::Completed | End::Cancelled, None) => Carried::Ended,
            (End::Dead, _) | (End::Cancelled, Some(_)) => Carried::Nothing,
        },
        Transition::JobsCompleted { .. } | Transition::JobsRemoved { .. } => Carried::Ended,
        Transition::NamespaceCreated { .. }
        | Transition::ClockMoved { .. }
        | Transition::QueueSet { .. }
        | Transition::QueueDeleted { .. }
        | Transition::PutRemembered { .. }
        | Transition::LeasesGranted { .. }
        | Transition::LeaseExtended { .. }
        | Transition::JobRequeued { .. }
        | Transition::JobsReady { .. }
        | Transition::CancelRequested { .. }
        | Transition::CountersRestated { .. } => Carried::Nothing,
    }
}

/// Brings the index up to date with `transition`, whose contents begin at `at` of
/// the frame. Gives where they end; `None` if that is too far for any frame.
pub(super) fn note(
    index: &mut Index,
    ended: &mut Vec<(JobSeq, u64)>,
    transition: &Transition,
    segment: u32,
    frame: u32,
    at: u32,
) -> Option<u32> {
    let place = Place { segment, frame, at };
    let carried = carried(transition);
    let end = at.checked_add(u32::try_from(carried.bytes()).ok()?)?;
    match carried {
        Carried::Nothing => {}
        Carried::Added { first, sizes, .. } | Carried::Copied { first, sizes } => {
            index.put(first, &sizes, place);
        }
        Carried::Result { job, size, .. } => index.replace(job, size, place),
        Carried::Ended => add_ended(transition, ended),
    }
    Some(end)
}

/// The jobs that end with `transition`, as runs of consecutive ones.
fn add_ended(transition: &Transition, ended: &mut Vec<(JobSeq, u64)>) {
    let mut add = |job: JobSeq| match ended.last_mut() {
        Some((first, count)) if first.plus(*count) == job => *count += 1,
        Some(_) | None => ended.push((job, 1)),
    };
    if let Transition::JobsCompleted { leases } = transition {
        leases.iter().for_each(|lease| add(lease.job));
    } else if let Transition::JobsRemoved { jobs } = transition {
        jobs.iter().for_each(|job| add(*job));
    } else if let Transition::JobEnded { job, .. } = transition {
        add(*job);
    }
}
