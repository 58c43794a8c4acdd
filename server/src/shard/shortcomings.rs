//! What the file system of the data directory lacks, in words.

use leaseq_store::Shortcomings;
use tracing::warn;

/// Says once what the file system of the data directory lacks.
pub(super) fn tell(lacks: Shortcomings) {
    let said = [
        (
            lacks.no_preallocation,
            "cannot set space aside: new files are filled with zeros, which takes longer",
        ),
        (
            lacks.no_directory_lock,
            "cannot lock the directory itself: if LOCK is removed, a second server can start",
        ),
        (
            lacks.copy_on_write,
            "copies on write: on a full disk, what was set aside may not be there; use ext4 or xfs",
        ),
        (
            lacks.network,
            "is on another machine: that a sync makes data durable depends on that machine",
        ),
    ];
    for (_, what) in said.into_iter().filter(|(lacks, _)| *lacks) {
        warn!("the file system of the data directory {what}");
    }
}
