//! Fields of the messages that are written by hand.
//!
//! Generated code compares each text with the empty one, which is a call of `memcmp` on no bytes
//! and costs more than all else that is done with a field that is not there, and it clones bytes
//! to write them. Here is neither.

use bytes::BufMut;
use prost::DecodeError;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// Writes a field of bytes or text; nothing if it is empty.
pub(crate) fn encode(tag: u32, value: &[u8], buf: &mut impl BufMut) {
    if !value.is_empty() {
        encode_entry(tag, value, buf);
    }
}

/// How much [`encode`] writes.
pub(crate) fn encoded_len(tag: u32, value: &[u8]) -> usize {
    match value.len() {
        0 => 0,
        len => entry_len(tag, len),
    }
}

/// Writes one entry of a repeated field, which counts also if it is empty.
pub(crate) fn encode_entry(tag: u32, value: &[u8], buf: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(value.len() as u64, buf);
    buf.put_slice(value);
}

/// How much an entry of `len` bytes takes.
pub(crate) fn entry_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Names the field of `message` in which an error is, as generated code does.
pub(crate) fn inside<T>(
    result: Result<T, DecodeError>,
    message: &'static str,
    field: &'static str,
) -> Result<T, DecodeError> {
    result.map_err(|mut error| {
        error.push(message, field);
        error
    })
}
