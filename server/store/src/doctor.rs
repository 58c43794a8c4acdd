//! Looks at a stopped data directory and changes nothing.

use std::path::Path;

use leaseq_engine::time::Time;

use crate::disk::RealDisk;
use crate::journal::{Journal, JournalOptions};
use crate::seam::{Batch, DamagedContent, StoreError};

/// What is in a data directory.
#[derive(Debug, Default)]
pub struct Findings {
    /// The segments, oldest first, as far as they were read.
    pub segments: Vec<SegmentFinding>,
    /// The file, the place and the bytes of a torn batch at the end, which the next
    /// start cuts off: it was never acknowledged.
    pub torn: Option<(String, u64, u64)>,
    /// What keeps a server from starting; reading ended there.
    pub problem: Option<StoreError>,
    /// Live jobs whose contents cannot be read. They do not keep a server from starting.
    pub damaged: Vec<DamagedContent>,
    /// How often a server has started on it and written something.
    pub starts: u64,
    /// The time of the last batch.
    pub last_time: Time,
    /// Bytes of the live jobs: what they carry, and their records.
    pub live_bytes: u64,
}

/// One segment file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentFinding {
    /// Its file name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Bytes in use.
    pub used: u64,
    /// Right batches in it.
    pub batches: u64,
}

/// Reads the whole journal in `dir`, the contents of live jobs included. `replay` gets
/// every batch as from `Store::load`; what it refuses is a problem of the directory.
///
/// # Errors
/// When the directory is in use, is not there, or cannot be read at all. Damage is
/// not an error but a finding.
pub fn examine(
    dir: &Path,
    replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
) -> Result<Findings, StoreError> {
    let disk = RealDisk::open_read_only(dir)?;
    Journal::on(disk, JournalOptions::default()).examine(replay)
}
