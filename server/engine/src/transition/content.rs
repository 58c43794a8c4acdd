//! What jobs carry, and how large it is.

use bytes::Bytes;

/// What a job carries: opaque to the engine, which only passes it on to the
/// store and reads its size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    /// Encoded headers; empty: none.
    pub headers: Bytes,
    /// What the worker gets. For an outcome job, and for a completed job that is
    /// kept: the result.
    pub payload: Bytes,
}

impl Content {
    /// Bytes of headers and payload.
    #[must_use]
    pub fn size(&self) -> u32 {
        // Both are bounded by the request size, far below 4 GiB.
        u32::try_from(self.headers.len() + self.payload.len()).unwrap_or(u32::MAX)
    }
}

/// The sizes of the contents of consecutive jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// `count` jobs of the same size.
    Uniform {
        /// How many.
        count: u32,
        /// Bytes of each.
        size: u32,
    },
    /// One size for each.
    Each(Vec<u32>),
}
