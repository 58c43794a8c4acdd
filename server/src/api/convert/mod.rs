//! From the wire to the engine and back, with every check that needs no state.
//!
//! Each function takes a part of a request and gives a part of a command, or the first field that
//! may not be as it is. Nothing is done before the whole request was found right.

pub(crate) mod job;
pub(crate) mod leased;
pub(crate) mod put;
pub(crate) mod queue;
pub(crate) mod repeatable;
pub(crate) mod retry;
pub(crate) mod session;
pub(crate) mod settle;
pub(crate) mod text;
pub(crate) mod time;

use super::fault::Invalid;

/// Checks how many entries a list has.
///
/// # Errors
/// When there are none, or more than `max`.
pub(crate) fn entries(field: &str, count: usize, max: usize) -> Result<(), Invalid> {
    match count {
        0 => Err(Invalid::new(field, "is empty; send at least one entry")),
        _ if count > max => Err(Invalid::new(
            field,
            format!("has {count} entries; at most {max} are allowed"),
        )),
        _ => Ok(()),
    }
}

/// A number of bytes or entries as the wire has it.
pub(crate) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A number of the wire as one of entries; one that this machine cannot count is more than any
/// limit.
pub(crate) fn count(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
