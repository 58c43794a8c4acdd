//! The ids in an answer to a Put, kept as they are on the wire: a server writes each once, and
//! sends the whole as it is; a client copies each once, and nobody allocates for each.

use std::fmt;

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, string};

use crate::field;

/// The field of both `leaseq.v1.PutResponse` and `leaseq.v1.PutStreamResponse`.
pub(crate) const TAG: u32 = 1;
/// Its key as it is on the wire, in one byte.
const KEY: u8 = 1 << 3 | WireType::LengthDelimited as u8;
/// An id, a UUID in text form, with its key and its length before it.
const ENTRY_BYTES: usize = 38;

/// `repeated string job_ids = 1`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct JobIds {
    /// The encoded field: for each id the key, the length and the text, which is always UTF-8.
    encoded: Vec<u8>,
    count: usize,
}

impl JobIds {
    /// No ids, with room for so many.
    pub fn with_capacity(ids: usize) -> Self {
        Self {
            encoded: Vec::with_capacity(ids * ENTRY_BYTES),
            count: 0,
        }
    }

    /// Adds an id.
    pub fn push(&mut self, id: &str) {
        field::encode_entry(TAG, id.as_bytes(), &mut self.encoded);
        self.count += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids, in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            encoded: &self.encoded,
            left: self.count,
        }
    }

    pub(crate) fn encode(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.encoded);
    }

    pub(crate) fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    /// Reads one more id.
    pub(crate) fn merge(
        &mut self,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if wire_type == WireType::LengthDelimited
            && let Some(id) = short_text(buf.chunk())
        {
            self.push(id);
            let read = 1 + id.len();
            buf.advance(read);
            return Ok(());
        }
        // Longer than an id, in pieces, or wrong: generated code knows what to say.
        let mut id = String::new();
        string::merge(wire_type, &mut id, buf, ctx)?;
        self.push(&id);
        Ok(())
    }
}

/// The text at the beginning of `bytes` if its length is one byte and all of it is there.
fn short_text(bytes: &[u8]) -> Option<&str> {
    let (len, rest) = bytes.split_first()?;
    let text = rest.get(..usize::from(*len)).filter(|_| *len < 0x80)?;
    std::str::from_utf8(text).ok()
}

/// The ids of [`JobIds`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    encoded: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        // What is encoded was encoded here, so that each `?` is the end and nothing else.
        self.encoded = self.encoded.strip_prefix(&[KEY])?;
        let len = prost::decode_length_delimiter(&mut self.encoded).ok()?;
        let (id, rest) = self.encoded.split_at_checked(len)?;
        (self.encoded, self.left) = (rest, self.left - 1);
        std::str::from_utf8(id).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a JobIds {
    type Item = &'a str;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<S: AsRef<str>> FromIterator<S> for JobIds {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        let ids = ids.into_iter();
        let mut all = Self::with_capacity(ids.size_hint().0);
        ids.for_each(|id| all.push(id.as_ref()));
        all
    }
}

impl fmt::Debug for JobIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
