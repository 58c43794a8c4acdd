//! Notices that the files of a running journal were removed.
//!
//! Writes to a removed file succeed, but a restart does not find the file. So the link counts
//! of the lock and of the newest segment are checked once a second. At zero, nothing more is
//! acknowledged.

use std::time::{Duration, Instant};

use super::Journal;
use super::segment;
use crate::disk::{Disk, DiskFile, LOCK_NAME};
use crate::seam::StoreError;

const INTERVAL: Duration = Duration::from_secs(1);

impl<D: Disk> Journal<D> {
    pub(super) fn check_presence(&mut self) -> Result<(), StoreError> {
        let lately = |checked: Instant| checked.elapsed() < INTERVAL;
        if self.presence_checked.is_some_and(lately) {
            return Ok(());
        }
        self.presence_checked = Some(Instant::now());
        // What the system does not tell, it is asked again in a second.
        if self.disk.is_removed().unwrap_or(false) {
            return Err(self.removed(LOCK_NAME));
        }
        let newest = self.segments.back();
        if let Some(newest) = newest.filter(|last| last.file.is_removed().unwrap_or(false)) {
            let name = segment::name(newest.number);
            return Err(self.removed(&name));
        }
        Ok(())
    }

    fn removed(&mut self, name: &str) -> StoreError {
        self.failed = true;
        StoreError::Removed {
            path: self.disk.path(name),
        }
    }
}
