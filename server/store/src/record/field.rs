//! What a record is made of: fields that write themselves and read themselves
//! back, and the plain ones among them.

use std::time::Duration;

use leaseq_engine::time::Time;

use super::error::{DecodeError, Fault};
use super::reader::Reader;

/// A part of a record.
pub(super) trait Field: Sized {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// The next one of what was written.
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number whose sign becomes its lowest bit, so that those near zero
/// are short on both sides.
pub(super) fn write_zigzag(value: i64, out: &mut Vec<u8>) {
    write_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

/// Appends a length and as many bytes of text.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    write_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Makes an enum without values a field of one byte. Tags are never reused and
/// never renumbered.
macro_rules! tagged {
    ($name:ident, $what:literal { $($tag:literal $variant:ident,)+ }) => {
        impl $crate::record::field::Field for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.push(match self {
                    $(Self::$variant => $tag,)+
                });
            }

            fn read(
                from: &mut $crate::record::Reader<'_>,
            ) -> Result<Self, $crate::record::DecodeError> {
                match from.byte($what)? {
                    $($tag => Ok(Self::$variant),)+
                    tag => {
                        let fault = $crate::record::error::Fault::UnknownTag { what: $what, tag };
                        Err(from.fault_before(fault))
                    }
                }
            }
        }
    };
}
pub(super) use tagged;

impl Field for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(*self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.varint("number")
    }
}

impl Field for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(u64::from(*self), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = from.varint_max("number", u64::from(Self::MAX))?;
        Ok(value as Self)
    }
}

impl Field for i32 {
    fn write(&self, out: &mut Vec<u8>) {
        write_zigzag(i64::from(*self), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "priority";
        let offset = from.offset();
        let value = from.zigzag(what)?;
        Self::try_from(value).map_err(|_| DecodeError {
            offset,
            fault: Fault::TooLarge {
                what,
                value: value.unsigned_abs(),
                max: Self::MAX as u64,
            },
        })
    }
}

const FALSE: u8 = 0;
const TRUE: u8 = 1;

impl Field for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(if *self { TRUE } else { FALSE });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "yes or no";
        match from.byte(what)? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            tag => Err(from.fault_before(Fault::UnknownTag { what, tag })),
        }
    }
}

/// Whether there is one, and then the field itself.
impl<T: Field> Field for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(field) = self {
            field.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        bool::read(from)?.then(|| T::read(from)).transpose()
    }
}

impl<T: Field> Field for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(from).map(Box::new)
    }
}

impl Field for Box<str> {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.text("text").map(Self::from)
    }
}

/// A key: sixteen bytes as they are.
impl Field for [u8; 16] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = from.bytes(16, "run of sixteen bytes")?;
        let mut array = [0; 16];
        array.copy_from_slice(bytes);
        Ok(array)
    }
}

/// Milliseconds since the Unix epoch.
impl Field for Time {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.as_millis(), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.varint("time").map(Self::from_millis)
    }
}

/// Seconds, then the nanoseconds of the last one: exact, and two bytes for most.
impl Field for Duration {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.as_secs(), out);
        write_varint(u64::from(self.subsec_nanos()), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let seconds = from.varint("duration")?;
        let nanos = from.varint_max("part of a second", 999_999_999)?;
        Ok(Self::new(seconds, nanos as u32))
    }
}
