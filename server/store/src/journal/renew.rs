//! Making durable what a start has found.
//!
//! A sync alone is not enough: if the last owner ended because one had failed, the
//! system may hold in its cache what the disk never got, and count it as written.
//! The next sync would say Ok without it (J3). So what is not known to be synced is
//! written again first.

use super::Journal;
use super::segment;
use crate::disk::{Disk, DiskFile};
use crate::seam::StoreError;

/// How much is written again at a time.
const STEP_BYTES: u64 = 256 << 10;

impl<D: Disk> Journal<D> {
    /// Writes the last segment again from `from` on, if there is anything to write,
    /// and syncs it.
    pub(super) fn renew(&mut self, from: Option<u64>) -> Result<(), StoreError> {
        let Some(last) = self.segments.back() else {
            return Ok(());
        };
        let (name, file, end) = (segment::name(last.number), last.file.clone(), last.end);
        let mut at = from.unwrap_or(end);
        while at < end {
            let step = STEP_BYTES.min(end - at);
            let mut bytes = vec![0; usize::try_from(step).unwrap_or(0)];
            let read = file.read_exact_at(&mut bytes, at);
            self.checked("cannot read", &name, read)?;
            self.checked("cannot write", &name, file.write_all_at(&bytes, at))?;
            at += step;
        }
        self.checked("cannot sync", &name, file.sync_data())
    }
}
