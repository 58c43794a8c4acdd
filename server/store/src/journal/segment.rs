//! Segment files: their names and their first 64 bytes.

use crate::seam::{Epoch, Position};

/// The start of every segment file.
const MAGIC: [u8; 8] = *b"LEASEQ\0J";

/// The format this program writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Bytes of a segment header; the first frame follows.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;

/// The name of the file that becomes the next segment.
pub(super) const SPARE_NAME: &str = "spare";

/// The name of the file that is kept for compaction.
pub(super) const RESERVE_NAME: &str = "reserve";

/// The file name of a segment.
pub(crate) fn name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// The number of the segment with this file name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let right = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| digits.parse().ok()).flatten()
}

/// What the first bytes of a segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    /// The position of the first batch in it.
    pub(super) first: Position,
    /// Whose it was first.
    pub(super) epoch: Epoch,
    /// How long the file was made: a shorter one has lost its end.
    pub(super) made_len: u64,
    /// Where the checksums of its frames start from.
    pub(super) salt: u32,
}

/// Why the first bytes of a segment are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    /// Not what was written.
    Damaged,
    /// A format of a newer program.
    Newer(u32),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut fields = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        fields.extend_from_slice(&[0; 4]);
        fields.extend_from_slice(&self.number.to_le_bytes());
        fields.extend_from_slice(&self.first.0.to_le_bytes());
        fields.extend_from_slice(&self.epoch.0.to_le_bytes());
        fields.extend_from_slice(&self.made_len.to_le_bytes());
        fields.extend_from_slice(&self.salt.to_le_bytes());
        fields.resize(SEGMENT_HEADER_BYTES - 4, 0);
        let crc = crc32c::crc32c(&fields);
        fields.extend_from_slice(&crc.to_le_bytes());
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes.copy_from_slice(&fields);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderError> {
        let parse = || {
            let (fields, crc) = bytes.split_last_chunk::<4>()?;
            let (magic, rest) = fields.split_first_chunk::<8>()?;
            let (version, rest) = rest.split_first_chunk::<4>()?;
            let (_, rest) = rest.split_first_chunk::<4>()?;
            let (number, rest) = rest.split_first_chunk::<8>()?;
            let (first, rest) = rest.split_first_chunk::<8>()?;
            let (epoch, rest) = rest.split_first_chunk::<8>()?;
            let (made_len, rest) = rest.split_first_chunk::<8>()?;
            let (salt, _) = rest.split_first_chunk::<4>()?;
            let right = *magic == MAGIC && u32::from_le_bytes(*crc) == crc32c::crc32c(fields);
            right.then_some((
                u32::from_le_bytes(*version),
                Self {
                    number: u64::from_le_bytes(*number),
                    first: Position(u64::from_le_bytes(*first)),
                    epoch: Epoch(u64::from_le_bytes(*epoch)),
                    made_len: u64::from_le_bytes(*made_len),
                    salt: u32::from_le_bytes(*salt),
                },
            ))
        };
        // A newer format keeps magic, version and checksum where they are.
        let (version, header) = parse().ok_or(HeaderError::Damaged)?;
        if version > FORMAT_VERSION {
            return Err(HeaderError::Newer(version));
        }
        if version == 0 {
            return Err(HeaderError::Damaged);
        }
        Ok(header)
    }
}

/// A segment whose frames have been read or written.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) number: u64,
    pub(super) file: F,
    /// Where the next frame goes, or the last one ended.
    pub(super) end: u64,
    /// Bytes on disk.
    pub(super) len: u64,
    /// Where the checksums of its frames start from.
    pub(super) salt: u32,
    /// How many Puts were remembered up to its end, since what this process has read.
    pub(super) puts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_numbers_and_back() {
        assert_eq!(name(7), "0000000007.seg");
        assert_eq!(number("0000000007.seg"), Some(7));
        assert_eq!(number(&name(12_345_678_901)), Some(12_345_678_901));
        for other in [
            "7.seg",
            "spare",
            "LOCK",
            "000000000x.seg",
            "0000000007.seg.tmp",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_survives_and_a_newer_or_damaged_one_is_told_apart() {
        let header = SegmentHeader {
            number: 3,
            first: Position(40),
            epoch: Epoch(2),
            made_len: 64 << 20,
            salt: 0xfeed_0007,
        };
        let good = header.encode();
        assert_eq!(SegmentHeader::decode(&good), Ok(header));
        let mut newer = good;
        newer[8] = 2;
        let crc = crc32c::crc32c(&newer[..60]);
        newer[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer), Err(HeaderError::Newer(2)));
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 0x10;
            assert_eq!(
                SegmentHeader::decode(&bad),
                Err(HeaderError::Damaged),
                "byte {at}"
            );
        }
    }
}
