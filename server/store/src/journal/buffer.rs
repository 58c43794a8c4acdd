//! A frame being made: its length is known first, then one buffer is filled, written
//! with one call, and kept as cache.

use bytes::{BufMut, Bytes, BytesMut};
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;

use super::frame::{
    ALIGN, HEADER_BYTES, Header, Kind, TERMINATOR_BYTES, checksum, table_len, table_of,
};
use super::index::Blob;
use crate::seam::StoreError;

/// A frame before its place is known.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) time: Time,
    pub(super) meta: Vec<u8>,
    pub(super) contents_len: u64,
}

impl Draft {
    pub(super) fn meta_len(&self) -> u32 {
        u32::try_from(self.meta.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn contents_at(&self) -> usize {
        let contents = usize::try_from(self.contents_len).unwrap_or(usize::MAX);
        HEADER_BYTES + self.meta.len() + table_len(contents)
    }

    pub(super) fn frame_len(&self) -> usize {
        let contents = usize::try_from(self.contents_len).unwrap_or(usize::MAX);
        self.contents_at()
            .saturating_add(contents)
            .next_multiple_of(ALIGN)
    }
}

/// A frame being filled: one buffer, written with one call, then kept as cache.
pub(super) struct FrameBuffer {
    pub(super) bytes: BytesMut,
    pub(super) segment: u32,
    pub(super) at: u32,
    pub(super) contents_at: usize,
}

/// A frame as it is written.
pub(super) struct FullFrame {
    /// With the zeros that end it.
    pub(super) bytes: Bytes,
    pub(super) segment: u32,
    pub(super) at: u32,
    pub(super) contents_at: usize,
}

impl FrameBuffer {
    pub(super) fn new(draft: &Draft, segment: u64, at: u64) -> Result<Self, StoreError> {
        let too_large = || StoreError::TooLarge {
            what: "a batch beyond what a segment can hold".into(),
        };
        let place = |value: u64| u32::try_from(value).map_err(|_| too_large());
        place(at + draft.frame_len() as u64)?;
        let contents_at = draft.contents_at();
        let mut bytes = BytesMut::with_capacity(draft.frame_len() + TERMINATOR_BYTES);
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

    pub(super) fn contents_len(&self) -> u32 {
        u32::try_from(self.bytes.len() - self.contents_at).unwrap_or(u32::MAX)
    }

    pub(super) fn add(&mut self, content: &Content) {
        // The API bounds headers far below 64 KiB.
        let headers_len = u16::try_from(content.headers.len()).unwrap_or(u16::MAX);
        self.bytes.put_u16_le(headers_len);
        self.bytes.put_slice(&content.headers);
        self.bytes.put_slice(&content.payload);
    }

    /// Adds a content as it is on disk.
    pub(super) fn add_raw(&mut self, blob: &[u8]) {
        self.bytes.put_slice(blob);
    }

    /// Adds bytes that are in this buffer already.
    pub(super) fn repeat(&mut self, range: std::ops::Range<usize>) {
        let bytes = self
            .bytes
            .get(range)
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        self.bytes.put_slice(&bytes);
    }

    /// Where `blob` is in this buffer, if it is a part of this very frame.
    pub(super) fn own(&self, blob: &Blob) -> Option<std::ops::Range<usize>> {
        let place = blob.place;
        (place.segment == self.segment && place.frame == self.at).then(|| {
            let from = self.contents_at + place.at as usize;
            from..from + blob.len as usize
        })
    }

    /// Fills in table and header, for a segment with this salt.
    pub(super) fn finish(
        mut self,
        draft: &Draft,
        salt: u32,
        header: impl FnOnce(u32) -> Header,
    ) -> FullFrame {
        let table_at = HEADER_BYTES + draft.meta.len();
        let (head, contents) = self.bytes.split_at_mut(self.contents_at);
        if let Some(table) = head.get_mut(table_at..) {
            for (slot, crc) in table.chunks_exact_mut(4).zip(table_of(contents)) {
                slot.copy_from_slice(&crc);
            }
        }
        if let Some((header_bytes, checked)) = head.split_at_mut_checked(HEADER_BYTES) {
            let header = header(checksum(salt, checked));
            header_bytes.copy_from_slice(&header.encode(salt));
        }
        self.bytes.resize(draft.frame_len() + TERMINATOR_BYTES, 0);
        FullFrame {
            bytes: self.bytes.freeze(),
            segment: self.segment,
            at: self.at,
            contents_at: self.contents_at,
        }
    }
}
