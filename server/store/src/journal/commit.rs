//! Appending: one frame, one write, one sync.

use std::time::Instant;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Transition};

use super::Journal;
use super::buffer::{Draft, FrameBuffer};
use super::carried::{Carried, carried, note, remembered_puts};
use super::compact::is_full;
use super::frame::{Header, Kind, TERMINATOR_BYTES};
use super::index::Place;
use super::segment::{
    self, RESERVE_NAME, SEGMENT_HEADER_BYTES, SPARE_NAME, Segment, SegmentHeader,
};
use super::sizes::count_of;
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
        let mut records = Vec::with_capacity(batch.transitions.len());
        for transition in &batch.transitions {
            let at = meta.len();
            record::encode(transition, &mut meta);
            records.push(u32::try_from(meta.len() - at).unwrap_or(u32::MAX));
            contents_len += carried(transition).bytes();
        }
        let draft = Draft {
            kind: Kind::Batch,
            time: batch.time,
            meta,
            contents_len,
        };
        let written = self.write_frame(&draft, |journal, frame| {
            let mut with_records = batch.transitions.iter().zip(&records);
            with_records.try_for_each(|(it, record)| journal.add_contents(it, *record, frame))
        })?;
        self.next = Position(self.next.0 + 1);
        if let Some(last) = self.segments.back_mut() {
            last.puts += remembered_puts(&batch.transitions);
        }
        let started = Instant::now();
        self.make_durable()?;
        let sync_time = started.elapsed();
        // At once when a segment was begun: puts must not eat into it first, and the
        // report must not say that there is no room when nobody has looked (J5).
        self.set_space_aside();
        self.note_written(&batch.transitions, &records, written);
        self.compaction.note_ledger(&batch.transitions, &records);
        Ok(Committed {
            next: self.next,
            bytes: written,
            sync_time,
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
        let (number, file, at, salt) = (last.number, last.file.clone(), last.end, last.salt);
        let mut frame = FrameBuffer::new(draft, number, at)?;
        if let Err(error) = add_contents(self, &mut frame) {
            // The index knows a part of the batch already.
            self.failed = true;
            return Err(error);
        }
        let frame = frame.finish(draft, salt, |meta_crc| Header {
            kind: draft.kind,
            meta_len: draft.meta_len(),
            contents_len: u32::try_from(draft.contents_len).unwrap_or(u32::MAX),
            position: self.next,
            epoch: self.epoch,
            time: draft.time,
            meta_crc,
            durable: self.durability.position(),
        });
        let len = draft.frame_len() as u64;
        let mut segment_len = 0;
        if let Some(last) = self.segments.back_mut() {
            last.end = at + len;
            last.len = last.len.max(last.end);
            segment_len = last.len;
        }
        // The zeros behind it must not make the segment longer.
        let room = usize::try_from(segment_len - at).unwrap_or(usize::MAX);
        let written = frame.bytes.get(..room).unwrap_or(&frame.bytes);
        let name = segment::name(number);
        self.checked("cannot write", &name, file.write_all_at(written, at))?;
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
                let Some(last) = self.segments.back() else {
                    return Err(StoreError::Failed);
                };
                let name = segment::name(last.number);
                let told = self.durability.sync_later(&last.file, self.next);
                self.checked("cannot sync", &name, told)
            }
        }
    }

    /// Syncs everything written so far.
    fn sync_last(&mut self) -> Result<(), StoreError> {
        let Some(last) = self.segments.back() else {
            return Err(StoreError::Failed);
        };
        let name = segment::name(last.number);
        let synced = self.durability.sync(&last.file, self.next);
        self.checked("cannot sync", &name, synced)
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
        self.start_segment(next)?;
        // Before anything in the segment is acknowledged.
        self.write_head()
    }

    /// Begins a segment in the space set aside (J2).
    pub(super) fn start_segment(&mut self, number: u64) -> Result<(), StoreError> {
        let (file, aside) = self.take_aside()?;
        let name = segment::name(number);
        let len = self.checked("cannot begin", &name, file.len())?;
        let header = SegmentHeader {
            number,
            first: self.next,
            epoch: self.epoch,
            made_len: len,
            salt: self.disk.random(),
        };
        let mut start = header.encode().to_vec();
        start.resize(SEGMENT_HEADER_BYTES + TERMINATOR_BYTES, 0);
        let begun = file
            .write_all_at(&start, 0)
            .and_then(|()| self.durability.sync(&file, Position::default()))
            .and_then(|()| self.disk.rename(aside, &name))
            .and_then(|()| self.disk.sync_dir());
        self.checked("cannot begin", &name, begun)?;
        let end = SEGMENT_HEADER_BYTES as u64;
        self.segments.push_back(Segment {
            number,
            file,
            end,
            len,
            salt: header.salt,
            puts: self.segments.back().map_or(0, |last| last.puts),
        });
        Ok(())
    }

    /// A file for the next segment, and its name: the spare, or one made now, or, if there
    /// is no room for that, the reserve.
    fn take_aside(&mut self) -> Result<(D::File, &'static str), StoreError> {
        if let Some(spare) = self.spare.take() {
            return Ok((spare, SPARE_NAME));
        }
        match (self.create_aside(SPARE_NAME), self.reserve.take()) {
            (Ok(spare), reserve) => {
                self.reserve = reserve;
                Ok((spare, SPARE_NAME))
            }
            (Err(_), Some(reserve)) => Ok((reserve, RESERVE_NAME)),
            (Err(error), None) => {
                let action = if is_full(&error) {
                    "no room for a new segment: cannot create"
                } else {
                    "cannot make a new segment"
                };
                self.checked(action, SPARE_NAME, Err(error))
            }
        }
    }

    /// Adds what a transition, of so many bytes, brings or copies to the frame, and to the
    /// index.
    fn add_contents(
        &mut self,
        transition: &Transition,
        record: u32,
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
            Carried::Result { job, size, result } => {
                if size == 0
                    && let Some(blob) = self.index.locate(job)
                {
                    self.emptied.insert(job, blob);
                }
                frame.add(&Content {
                    headers: Bytes::new(),
                    payload: result.clone(),
                });
            }
            Carried::Lost { .. } => frame.add(&Content::default()),
            Carried::Copied { first, sizes } => {
                for n in 0..u64::from(count_of(&sizes)) {
                    self.copy_content(first.plus(n), frame)?;
                }
            }
        }
        let place = Place {
            segment: frame.segment,
            frame: frame.at,
            at,
        };
        let noted = note(&mut self.index, &mut self.ended, transition, place, record);
        let right = noted.is_some_and(|end| end == frame.contents_len());
        if right {
            Ok(())
        } else {
            self.failed = true;
            let what = "a transition whose sizes are not those of its contents".into();
            Err(StoreError::Bug { what })
        }
    }

    /// Adds the present content of a job to the frame.
    fn copy_content(&mut self, job: JobSeq, frame: &mut FrameBuffer) -> Result<(), StoreError> {
        let blob = self.index.locate(job);
        let blob = blob.ok_or(StoreError::NoContent { job })?;
        if let Some(range) = frame.own(&blob) {
            frame.repeat(range);
        } else if let Some(bytes) = self.held.get(job, &blob) {
            frame.add_raw(bytes);
        } else {
            let bytes = self.read_blob(job, &blob)?;
            frame.add_raw(&bytes);
        }
        Ok(())
    }
}
