//! Reading a damaged journal as far as it can be read, changing nothing.
//!
//! Frames are found again behind damage by their salted checksums, so that no payload can
//! be taken for one. A segment whose header is damaged is read if its first frame is
//! right: the salt follows from the checksum of that frame.

use std::io;
use std::ops::Range;

use leaseq_engine::time::Time;
use leaseq_engine::transition::Transition;

use super::Journal;
use super::frame::{HEADER_BYTES, Header, Kind, MARKER, checksum};
use super::scan::{Before, Frame, Window, marked, read_frame};
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment, SegmentHeader};
use crate::disk::{Disk, DiskFile};
use crate::seam::{Epoch, Position, StoreError};

/// How much is looked through at a time for the next frame.
const WINDOW_BYTES: usize = 256 << 10;

/// A part of the journal that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The file.
    pub file: String,
    /// Which bytes of it; empty: the file is missing.
    pub bytes: Range<u64>,
    /// The batches that were there, as far as that is known: from the first to below the
    /// second position.
    pub batches: Option<Range<u64>>,
}

/// What is known while segments are read.
#[derive(Debug, Default)]
pub(crate) struct Salvaging {
    pub(crate) gaps: Vec<Gap>,
    pub(crate) batches: u64,
    pub(crate) last_time: Time,
    /// Transitions that contradict what could be read, and were passed over.
    pub(crate) passed_over: u64,
    next: Position,
    epoch: Epoch,
}

impl Salvaging {
    fn gap(&mut self, number: u64, bytes: Range<u64>, batches: Option<Range<u64>>) {
        let file = segment::name(number);
        self.gaps.push(Gap {
            file,
            bytes,
            batches,
        });
    }
}

/// Takes a transition; false: it does not fit.
type Take<'a> = dyn FnMut(&Transition) -> bool + 'a;

impl<D: Disk> Journal<D> {
    /// Reads every segment as far as it can be read.
    pub(crate) fn salvage_all(&mut self, take: &mut Take<'_>) -> Result<Salvaging, StoreError> {
        let names = self.disk.list();
        let names = self.checked("cannot list", "", names)?;
        let numbers = names.iter().filter_map(|name| segment::number(name));
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        let mut state = Salvaging::default();
        let mut expected = numbers.first().copied().unwrap_or_default();
        for number in numbers {
            (expected..number).for_each(|missing| state.gap(missing, 0..0, None));
            expected = number + 1;
            self.salvage_segment(number, &mut state, take)?;
        }
        // A record that cannot be read tells nothing; the rest is salvaged all the same.
        if let Ok(Some(head)) = self.read_head() {
            (expected..=head.segment).for_each(|missing| state.gap(missing, 0..0, None));
            if state.next < head.durable {
                let batches = state.next.0..head.durable.0;
                state.gap(head.segment, 0..0, Some(batches));
            }
        }
        Ok(state)
    }

    fn salvage_segment(
        &mut self,
        number: u64,
        state: &mut Salvaging,
        take: &mut Take<'_>,
    ) -> Result<(), StoreError> {
        let name = segment::name(number);
        let file = self.disk.open(&name);
        let file = self.checked("cannot open", &name, file)?;
        let len = self.checked("cannot read", &name, file.len())?;
        let (salt, first) = match header_of(&file) {
            Some(header) => (Some(header.salt), Some(header.first)),
            None => {
                let bytes = 0..len.min(SEGMENT_HEADER_BYTES as u64);
                state.gap(number, bytes, None);
                (salt_of_first_frame(&file), None)
            }
        };
        let Some(salt) = salt else {
            state.gap(number, 0..len, None);
            return Ok(());
        };
        if self.segments.is_empty() {
            // What came before the oldest segment is not missing: it was given up.
            state.next = first.unwrap_or_default();
        }
        self.segments.push_back(Segment {
            number,
            file: file.clone(),
            end: len,
            len,
            salt,
            puts: 0,
        });
        let read = self.salvage_frames(number, &file, salt, state, take);
        self.checked("cannot read", &name, read)
    }

    fn salvage_frames(
        &mut self,
        number: u64,
        file: &D::File,
        salt: u32,
        state: &mut Salvaging,
        take: &mut Take<'_>,
    ) -> io::Result<()> {
        let mut window = Window::new(file)?;
        let mut at = SEGMENT_HEADER_BYTES as u64;
        loop {
            let before = Before {
                next: state.next,
                epoch: state.epoch,
                salt,
            };
            let Some((found, header)) = next_header(&mut window, at, before)? else {
                return note_end(&mut window, at, number, state);
            };
            let missing = state.next.0..header.position.0;
            if found > at || !missing.is_empty() {
                state.gap(number, at..found, Some(missing));
            }
            at = found + header.frame_len() as u64;
            let frame = read_frame(&mut window, found, salt, false)?;
            let read = frame.is_some_and(|(header, meta)| {
                let at = found;
                self.salvage_frame(number, &Frame { header, meta, at }, state, take)
            });
            if !read {
                let batches = header.position.0..header.next().0;
                state.gap(number, found..at, Some(batches));
            }
            state.next = header.next();
            state.epoch = header.epoch;
        }
    }

    /// Hands on the transitions of a frame. False: they cannot be read.
    fn salvage_frame(
        &mut self,
        number: u64,
        frame: &Frame<'_>,
        state: &mut Salvaging,
        take: &mut Take<'_>,
    ) -> bool {
        if frame.header.kind == Kind::Trim {
            return true;
        }
        let Ok(transitions) = self.read_transitions(number, frame) else {
            return false;
        };
        state.batches += 1;
        state.last_time = state.last_time.max(frame.header.time);
        for transition in &transitions {
            state.passed_over += u64::from(!take(transition));
        }
        true
    }
}

/// The header of a segment, if it is right.
fn header_of<F: DiskFile>(file: &F) -> Option<SegmentHeader> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0).ok()?;
    SegmentHeader::decode(&bytes).ok()
}

/// Says what is behind the last frame, if it is not the zeros that end one.
fn note_end<F: DiskFile>(
    window: &mut Window<'_, F>,
    at: u64,
    number: u64,
    state: &mut Salvaging,
) -> io::Result<()> {
    if let Some(end) = window.get_upto(at, HEADER_BYTES)?
        && end.iter().any(|byte| *byte != 0)
    {
        let upto = at + end.len() as u64;
        state.gap(number, at..upto, None);
    }
    Ok(())
}

/// The next right frame header from `at` on, and where it is.
fn next_header<F: DiskFile>(
    window: &mut Window<'_, F>,
    at: u64,
    before: Before,
) -> io::Result<Option<(u64, Header)>> {
    let fits = |header: &Header| header.position >= before.next && before.admits(header);
    let mut look = at;
    while let Some(part) = window.get_upto(look, WINDOW_BYTES)? {
        let part_len = part.len() as u64;
        for found in marked(part, look) {
            if let Some(header) = window.header(found, before.salt)?.filter(fits) {
                return Ok(Some((found, header)));
            }
        }
        look += part_len;
    }
    Ok(None)
}

/// The salt of a segment whose own header is damaged, from its first frame.
///
/// A checksum is linear in what it was begun with: each bit of the salt flips the same
/// bits of every checksum of so many bytes. So the checksum of the first header and these
/// flips give the salt.
fn salt_of_first_frame<F: DiskFile>(file: &F) -> Option<u32> {
    let at = SEGMENT_HEADER_BYTES as u64;
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, at).ok()?;
    let (marker, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, fields) = rest.split_first_chunk::<4>()?;
    if *marker != MARKER {
        return None;
    }
    let mut wanted = u32::from_le_bytes(*crc) ^ checksum(0, fields);
    // Pairs of a salt and what it flips, each with a highest bit of its own.
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for bit in 0..32 {
        let (mut salt, mut flips) = (1_u32 << bit, 0);
        flips ^= checksum(salt, fields) ^ checksum(0, fields);
        for (other_salt, other) in &pairs {
            if flips ^ other < flips {
                flips ^= other;
                salt ^= other_salt;
            }
        }
        pairs.push((salt, flips));
        pairs.sort_unstable_by_key(|(_, flips)| std::cmp::Reverse(*flips));
    }
    let mut salt = 0;
    for (part, flips) in pairs {
        if wanted ^ flips < wanted {
            wanted ^= flips;
            salt ^= part;
        }
    }
    // Any first bytes give some salt. The checksum of the transitions, begun with the same
    // salt, tells whether it is the right one.
    let mut window = Window::new(file).ok()?;
    let frame = read_frame(&mut window, at, salt, false).ok()?;
    frame.map(|_| salt)
}
