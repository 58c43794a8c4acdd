//! How a journal is run. None of it is on disk: it may change from start to start.

use super::sync::SyncPolicy;

/// How a journal is run.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// When `commit` says Ok.
    pub sync: SyncPolicy,
    /// Bytes set aside for a segment file. A batch that does not fit an empty
    /// segment makes it larger.
    pub segment_bytes: u64,
    /// Bytes of the last batches that are kept in memory, so that a job that is
    /// leased soon is not read from disk.
    pub cache_bytes: usize,
    /// Start although the newest segments are missing, and go on without them.
    pub accept_loss: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            sync: SyncPolicy::Always,
            segment_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            accept_loss: false,
        }
    }
}
