//! Bytes that are read from the front, and where the reading stands.

use super::error::{DecodeError, Fault};

/// Reads bytes from the front.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes come before the next one.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// `fault` at the byte before the next one.
    pub(super) fn fault_before(&self, fault: Fault) -> DecodeError {
        let offset = self.at.saturating_sub(1);
        DecodeError { offset, fault }
    }

    /// One byte.
    #[inline]
    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let Some(byte) = self.bytes.get(self.at) else {
            return Err(self.truncated(what));
        };
        self.at += 1;
        Ok(*byte)
    }

    /// `count` bytes as they are.
    pub(crate) fn bytes(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(count);
        let Some(bytes) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.truncated(what));
        };
        self.at += count;
        Ok(bytes)
    }

    /// A number: seven bits a byte, the lowest first, the high bit set in all
    /// bytes but the last. Only the shortest form is accepted, so that a number
    /// has one form.
    #[inline] // most numbers are one byte, and there are many
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match self.bytes.get(self.at) {
            Some(byte @ ..0x80) => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            Some(_) | None => self.long_varint(what),
        }
    }

    fn long_varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let offset = self.at;
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let is_last = byte < 0x80;
            let is_padding = is_last && byte == 0 && shift > 0;
            if is_padding || bits > u64::MAX >> shift {
                break;
            }
            value |= bits << shift;
            if is_last {
                return Ok(value);
            }
        }
        let fault = Fault::Number { what };
        Err(DecodeError { offset, fault })
    }

    /// A number that is `max` at most.
    pub(crate) fn varint_max(&mut self, what: &'static str, max: u64) -> Result<u64, DecodeError> {
        let offset = self.at;
        let value = self.varint(what)?;
        if value <= max {
            return Ok(value);
        }
        let fault = Fault::TooLarge { what, value, max };
        Err(DecodeError { offset, fault })
    }

    /// A number whose sign is its lowest bit.
    pub(crate) fn zigzag(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let value = self.varint(what)?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A length and as many bytes of text.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let length = self.length(what)?;
        let offset = self.at;
        let bytes = self.bytes(length, what)?;
        let fault = Fault::Text { what };
        std::str::from_utf8(bytes).map_err(|_| DecodeError { offset, fault })
    }

    /// A length and a reader of as many bytes, which counts offsets as this one.
    pub(crate) fn split(&mut self, what: &'static str) -> Result<Self, DecodeError> {
        let length = self.length(what)?;
        let at = self.at;
        self.bytes(length, what)?;
        let bytes = self.bytes.get(..self.at).unwrap_or_default();
        Ok(Self { bytes, at })
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.is_empty() {
            return Ok(());
        }
        let bytes = self.remaining();
        let fault = Fault::Trailing { bytes };
        Err(DecodeError {
            offset: self.at,
            fault,
        })
    }

    /// A length; one that no memory could hold is longer than what is left.
    fn length(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let length = self.varint(what)?;
        usize::try_from(length).map_err(|_| self.truncated(what))
    }

    fn truncated(&self, what: &'static str) -> DecodeError {
        DecodeError {
            offset: self.bytes.len(),
            fault: Fault::Truncated { what },
        }
    }
}
