//! Reads the frames of one segment, oldest first, and says how it ends.
//!
//! Contents are skipped unless asked for, so that a restart reads what it needs.

use std::io;
use std::ops::Range;

use super::frame::{ALIGN, HEADER_BYTES, Header, MARKER, checksum, contents_right};
use super::segment::SEGMENT_HEADER_BYTES;
use crate::disk::DiskFile;
use crate::seam::{Epoch, Position};

/// How much is read at a time.
const WINDOW_BYTES: usize = 256 << 10;

/// How much is read at a time where contents are skipped: a header and, nearly always,
/// the transitions behind it. Otherwise a start would read a gigabyte of contents for
/// each four million jobs of 1 KiB, to look at none of them.
const SKIPPING_WINDOW_BYTES: usize = 4 << 10;

/// Frames with more contents than this are skipped over, the next ones probably too.
const SKIPPED_BYTES: u32 = 64 << 10;

/// A frame whose meta is right.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) meta: &'a [u8],
    /// Where it begins in the segment.
    pub(super) at: u64,
}

/// What comes after the last right frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The zeros that end every frame, and none of this segment behind them: at most
    /// what an earlier use of the file has left.
    Clean,
    /// Something else, up to `upto`: batches that were being written.
    Torn { upto: u64 },
    /// Something that is no frame, though it was one: what comes later knew it.
    Damaged,
}

/// What is known of a segment before a frame of it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// The position of the next frame.
    pub(super) next: Position,
    /// The highest epoch so far: a frame of a lower one is a leftover and no frame.
    pub(super) epoch: Epoch,
    /// Where the segment's checksums start from.
    pub(super) salt: u32,
}

impl Before {
    /// Whether a frame with this header may come here or later.
    pub(super) fn admits(&self, header: &Header) -> bool {
        header.epoch >= self.epoch
    }
}

/// How reading a segment ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scanned {
    /// Where the next frame would begin.
    pub(super) at: u64,
    /// The position of the next frame.
    pub(super) next: Position,
    pub(super) end: End,
}

impl Scanned {
    /// What is torn.
    pub(super) fn torn(&self) -> Option<Range<u64>> {
        match self.end {
            End::Torn { upto } => Some(self.at..upto),
            End::Clean | End::Damaged => None,
        }
    }
}

/// Reads the frames of `file`, which go on from `before`. `visit` gets each. With
/// `contents`, a frame whose contents are not right is the torn end, unless a later frame
/// knew that it was synced.
pub(super) fn scan<F: DiskFile, E: From<io::Error>>(
    file: &F,
    mut before: Before,
    contents: bool,
    mut visit: impl FnMut(&Frame<'_>) -> Result<(), E>,
) -> Result<Scanned, E> {
    let mut window = Window::new(file)?;
    let mut at = SEGMENT_HEADER_BYTES as u64;
    loop {
        match read_frame(&mut window, at, before.salt, contents)? {
            Some((header, meta)) if header.position == before.next && before.admits(&header) => {
                visit(&Frame { header, meta, at })?;
                before.next = header.next();
                before.epoch = header.epoch;
                let skipping = !contents && header.contents_len > SKIPPED_BYTES;
                window.step = if skipping {
                    SKIPPING_WINDOW_BYTES
                } else {
                    WINDOW_BYTES
                };
                at += header.frame_len() as u64;
            }
            Some(_) | None => {
                window.step = WINDOW_BYTES;
                if contents
                    && is_synced_frame(&mut window, at, before)?
                    && let Some((header, meta)) = read_frame(&mut window, at, before.salt, false)?
                {
                    visit(&Frame { header, meta, at })?;
                    before.next = header.next();
                    before.epoch = header.epoch;
                    at += header.frame_len() as u64;
                    continue;
                }
                let end = what_follows(&mut window, at, before)?;
                let next = before.next;
                return Ok(Scanned { at, next, end });
            }
        }
    }
}

/// The frame at `at`, if all of it that is looked at is right.
pub(super) fn read_frame<'w, F: DiskFile>(
    window: &'w mut Window<'_, F>,
    at: u64,
    salt: u32,
    contents: bool,
) -> io::Result<Option<(Header, &'w [u8])>> {
    let Some(header) = window.header(at, salt)? else {
        return Ok(None);
    };
    if at + header.frame_len() as u64 > window.len.next_multiple_of(ALIGN as u64) {
        return Ok(None);
    }
    if contents && !contents_match(window, at, &header)? {
        return Ok(None);
    }
    let checked = header.contents_at() - HEADER_BYTES;
    let Some(meta_and_table) = window.get(at + HEADER_BYTES as u64, checked)? else {
        return Ok(None);
    };
    if checksum(salt, meta_and_table) != header.meta_crc {
        return Ok(None);
    }
    Ok(meta_and_table
        .get(..header.meta_len as usize)
        .map(|meta| (header, meta)))
}

fn contents_match<F: DiskFile>(
    window: &mut Window<'_, F>,
    at: u64,
    header: &Header,
) -> io::Result<bool> {
    let table_at = at + (HEADER_BYTES + header.meta_len as usize) as u64;
    let Some(table) = window
        .get(table_at, header.table_len())?
        .map(<[u8]>::to_vec)
    else {
        return Ok(false);
    };
    let contents_at = at + header.contents_at() as u64;
    let contents = window.get(contents_at, header.contents_len as usize)?;
    Ok(contents.is_some_and(|contents| contents_right(contents, &table)))
}

/// Whether there is a frame at `at` that is right but for its contents, and that a later
/// one knew to be synced. Then its contents were damaged afterwards, which is a matter of
/// the jobs they belong to. Without such a later one, it is a batch that was being written.
fn is_synced_frame<F: DiskFile>(
    window: &mut Window<'_, F>,
    at: u64,
    before: Before,
) -> io::Result<bool> {
    let header = read_frame(window, at, before.salt, false)?.map(|(header, _)| header);
    let comes_next = |header: &Header| header.position == before.next && before.admits(header);
    Ok(
        header.as_ref().is_some_and(comes_next)
            && what_follows(window, at, before)? == End::Damaged,
    )
}

/// Looks at everything from `at` on, where the frame of position `before.next`
/// should be. A right header further on whose writer knew that it was synced means
/// damage (J4); without one, it is what a kill or a power cut leaves.
fn what_follows<F: DiskFile>(
    window: &mut Window<'_, F>,
    at: u64,
    before: Before,
) -> io::Result<End> {
    let mut torn = None;
    if let Some(terminator) = window.get_upto(at, HEADER_BYTES)?
        && terminator.iter().any(|byte| *byte != 0)
    {
        torn = Some(at + terminator.len() as u64);
    }
    let mut look = at;
    while let Some(part) = window.get_upto(look, WINDOW_BYTES)? {
        let part_len = part.len() as u64;
        for header_at in marked(part, look) {
            let header = window.header(header_at, before.salt)?;
            let Some(header) = header.filter(|header| before.admits(header)) else {
                continue;
            };
            if header.durable > before.next {
                return Ok(End::Damaged);
            }
            let frame_end = header_at + header.frame_len() as u64;
            torn = torn.max(Some(frame_end.min(window.len)));
        }
        look = window.skip_holes(look + part_len)?;
    }
    Ok(torn.map_or(End::Clean, |upto| End::Torn { upto }))
}

/// Where in `part`, which starts at `at`, a frame may begin.
pub(super) fn marked(part: &[u8], at: u64) -> Vec<u64> {
    let starts = (at..).step_by(ALIGN).zip(part.chunks(ALIGN));
    starts
        .filter(|(_, start)| start.starts_with(&MARKER))
        .map(|(at, _)| at)
        .collect()
}

/// A part of a file in memory, moved along as it is read.
pub(super) struct Window<'a, F> {
    file: &'a F,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
    /// How much is read when something is not in it.
    step: usize,
}

impl<'a, F: DiskFile> Window<'a, F> {
    pub(super) fn new(file: &'a F) -> io::Result<Self> {
        Ok(Self {
            file,
            len: file.len()?,
            start: 0,
            bytes: Vec::new(),
            step: WINDOW_BYTES,
        })
    }

    /// `count` bytes from `at`; `None` if the file is shorter.
    fn get(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if at + count as u64 > self.len {
            return Ok(None);
        }
        self.fill(at, count)?;
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from + count))
    }

    /// The frame header at `at`, if there is one.
    pub(super) fn header(&mut self, at: u64, salt: u32) -> io::Result<Option<Header>> {
        let bytes = self.get(at, HEADER_BYTES)?;
        Ok(bytes.and_then(|bytes| Header::decode(bytes, salt)))
    }

    /// The first place from `at` on where anything may have been written. It is a
    /// multiple of `ALIGN` if `at` is one: headers are looked for at such places.
    fn skip_holes(&self, at: u64) -> io::Result<u64> {
        let data = self.file.data_from(at)?.unwrap_or(self.len);
        let aligned = data - data % ALIGN as u64;
        Ok(aligned.max(at))
    }

    /// Up to `count` bytes from `at`; `None` at the end of the file.
    pub(super) fn get_upto(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        if left == 0 {
            Ok(None)
        } else {
            self.get(at, count.min(left))
        }
    }

    fn fill(&mut self, at: u64, count: usize) -> io::Result<()> {
        let have = self.start..self.start + self.bytes.len() as u64;
        if at >= have.start && at + count as u64 <= have.end {
            return Ok(());
        }
        let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        self.bytes.resize(count.max(self.step).min(left), 0);
        self.start = at;
        self.file.read_exact_at(&mut self.bytes, at)
    }
}
