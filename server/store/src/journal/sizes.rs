//! What the sizes of jobs that came together add up to.

use leaseq_engine::transition::Sizes;

/// Every content has its headers' length in front: a u16.
pub(super) const BLOB_HEAD_BYTES: u32 = 2;

/// How many jobs have these sizes.
pub(super) fn count_of(sizes: &Sizes) -> u32 {
    match sizes {
        Sizes::Uniform { count, .. } => *count,
        Sizes::Each(sizes) => u32::try_from(sizes.len()).unwrap_or(u32::MAX),
    }
}

/// Bytes of the contents of jobs of these sizes.
pub(super) fn bytes_of(sizes: &Sizes) -> u64 {
    match sizes {
        Sizes::Uniform { count, size } => u64::from(*count) * u64::from(size + BLOB_HEAD_BYTES),
        Sizes::Each(sizes) => sizes
            .iter()
            .map(|size| u64::from(*size) + u64::from(BLOB_HEAD_BYTES))
            .sum(),
    }
}

/// Bytes of the longest of the contents of jobs of these sizes.
pub(super) fn longest_of(sizes: &Sizes) -> u32 {
    let longest = match sizes {
        Sizes::Uniform { size, .. } => *size,
        Sizes::Each(sizes) => sizes.iter().copied().max().unwrap_or(0),
    };
    longest.saturating_add(BLOB_HEAD_BYTES)
}
