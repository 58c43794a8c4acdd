//! One frame: the bytes of one batch, or of a note of the journal's own.
//!
//! ```text
//! header 56 | meta | one crc32c for each 16 KiB of contents | contents | zeros to 8
//! ```
//!
//! The header has a checksum of its own, so that its lengths can be trusted; it
//! holds the checksum of meta and table; the table holds those of the contents. The
//! first two start from the segment's salt, which nobody who puts a job knows, so
//! that no payload can be made to look like a frame.
//! So a restart reads meta alone, and any part of the contents can be checked
//! without reading all of it. docs/STORAGE.md gives every byte.

use leaseq_engine::time::Time;

use crate::seam::{Epoch, Position};

/// The start of every frame: "LSQF".
pub(super) const MARKER: [u8; 4] = *b"LSQF";

/// Bytes of a frame header.
pub(super) const HEADER_BYTES: usize = 56;

/// Zeros behind a frame, written with it, where the next header goes: what an earlier
/// use of the file has left there would look like a torn batch.
pub(super) const TERMINATOR_BYTES: usize = HEADER_BYTES;

/// Contents are checked in pieces of this size: the least that is read for one job.
pub(super) const CHUNK_BYTES: usize = 16 << 10;

/// Frames start at multiples of this.
pub(super) const ALIGN: usize = 8;

/// What a frame holds. The numbers are on disk: never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A batch of transitions.
    Batch,
    /// All that mattered in the segments up to a number has been restated before
    /// this frame; meta is that number.
    Trim,
}

impl Kind {
    fn code(self) -> u32 {
        match self {
            Self::Batch => 1,
            Self::Trim => 2,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Batch),
            2 => Some(Self::Trim),
            _ => None,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) meta_len: u32,
    pub(super) contents_len: u32,
    pub(super) position: Position,
    pub(super) epoch: Epoch,
    pub(super) time: Time,
    /// Of meta and table.
    pub(super) meta_crc: u32,
    /// Every batch before this position was synced when the frame was written. It
    /// tells a hole that a power cut may leave from damage.
    pub(super) durable: Position,
}

impl Header {
    /// Bytes of the table of contents checksums.
    pub(super) fn table_len(&self) -> usize {
        table_len(self.contents_len as usize)
    }

    /// Where contents begin, from the start of the frame.
    pub(super) fn contents_at(&self) -> usize {
        HEADER_BYTES + self.meta_len as usize + self.table_len()
    }

    /// Bytes of the whole frame, padding included.
    pub(super) fn frame_len(&self) -> usize {
        (self.contents_at() + self.contents_len as usize).next_multiple_of(ALIGN)
    }

    /// The position of the frame after this one: a note takes none.
    pub(super) fn next(&self) -> Position {
        match self.kind {
            Kind::Batch => Position(self.position.0 + 1),
            Kind::Trim => self.position,
        }
    }

    pub(super) fn encode(&self, salt: u32) -> [u8; HEADER_BYTES] {
        let mut fields = Vec::with_capacity(HEADER_BYTES);
        fields.extend_from_slice(&self.kind.code().to_le_bytes());
        fields.extend_from_slice(&self.meta_len.to_le_bytes());
        fields.extend_from_slice(&self.contents_len.to_le_bytes());
        fields.extend_from_slice(&self.meta_crc.to_le_bytes());
        fields.extend_from_slice(&self.position.0.to_le_bytes());
        fields.extend_from_slice(&self.epoch.0.to_le_bytes());
        fields.extend_from_slice(&self.time.as_millis().to_le_bytes());
        fields.extend_from_slice(&self.durable.0.to_le_bytes());
        let mut bytes = [0; HEADER_BYTES];
        let (marker, rest) = bytes.split_at_mut(MARKER.len());
        marker.copy_from_slice(&MARKER);
        let (crc, rest) = rest.split_at_mut(4);
        crc.copy_from_slice(&checksum(salt, &fields).to_le_bytes());
        rest.copy_from_slice(&fields);
        bytes
    }

    /// The header in these bytes of a segment with this salt, if there is one.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let (header, _) = bytes.split_at_checked(HEADER_BYTES)?;
        let (marker, rest) = header.split_first_chunk::<4>()?;
        let (crc, fields) = rest.split_first_chunk::<4>()?;
        if *marker != MARKER || u32::from_le_bytes(*crc) != checksum(salt, fields) {
            return None;
        }
        let (kind, rest) = fields.split_first_chunk::<4>()?;
        let (meta_len, rest) = rest.split_first_chunk::<4>()?;
        let (contents_len, rest) = rest.split_first_chunk::<4>()?;
        let (meta_crc, rest) = rest.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (durable, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            kind: Kind::from_code(u32::from_le_bytes(*kind))?,
            meta_len: u32::from_le_bytes(*meta_len),
            contents_len: u32::from_le_bytes(*contents_len),
            position: Position(u64::from_le_bytes(*position)),
            epoch: Epoch(u64::from_le_bytes(*epoch)),
            time: Time::from_millis(u64::from_le_bytes(*time)),
            meta_crc: u32::from_le_bytes(*meta_crc),
            durable: Position(u64::from_le_bytes(*durable)),
        })
    }
}

/// The checksum of a part of a frame that is not its contents.
pub(super) fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(salt, bytes)
}

/// Bytes of the table for so many bytes of contents.
pub(super) fn table_len(contents_len: usize) -> usize {
    4 * contents_len.div_ceil(CHUNK_BYTES)
}

/// The checksums of these contents, as the table holds them.
pub(super) fn table_of(contents: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    contents
        .chunks(CHUNK_BYTES)
        .map(|chunk| crc32c::crc32c(chunk).to_le_bytes())
}

/// Whether `contents`, which start at a chunk, fit the `table` from that chunk on.
pub(super) fn contents_right(contents: &[u8], table: &[u8]) -> bool {
    let mut expected = table.chunks_exact(4);
    table_of(contents).all(|crc| expected.next() == Some(&crc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u32 = 0x5a17_5a17;

    fn header() -> Header {
        Header {
            kind: Kind::Batch,
            meta_len: 77,
            contents_len: 200_000,
            position: Position(9),
            epoch: Epoch(3),
            time: Time::from_millis(1_700_000_000_000),
            meta_crc: 0xdead_beef,
            durable: Position(8),
        }
    }

    #[test]
    fn a_header_survives_its_encoding() {
        let encoded = header().encode(SALT);
        assert_eq!(Header::decode(&encoded, SALT), Some(header()));
        assert_eq!(Header::decode(&encoded, 0), None, "of another segment");
        assert_eq!(
            header().table_len(),
            52,
            "200,000 bytes are thirteen chunks"
        );
        assert_eq!(header().frame_len() % ALIGN, 0);
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = header().encode(SALT);
        for at in 0..good.len() * 8 {
            let mut bad = good;
            bad[at / 8] ^= 1 << (at % 8);
            assert_eq!(Header::decode(&bad, SALT), None, "bit {at}");
        }
    }

    #[test]
    fn contents_are_checked_chunk_by_chunk() {
        let contents: Vec<u8> = (0..150_000_u32).map(|n| n as u8).collect();
        let table: Vec<u8> = table_of(&contents).flatten().collect();
        assert_eq!(table.len(), table_len(contents.len()));
        assert!(contents_right(&contents, &table));
        assert!(
            contents_right(&contents[CHUNK_BYTES..], &table[4..]),
            "from the second chunk"
        );
        let mut bad = contents.clone();
        bad[140_000] ^= 1;
        assert!(!contents_right(&bad, &table));
        assert!(
            !contents_right(&contents, &table[..8]),
            "a table that is too short"
        );
    }
}
