//! Makes durable what a start has found.
//!
//! A sync alone is not enough. If the last owner ended because a sync had failed, the
//! system may hold in its cache what the disk never got, and count it as written: the next
//! sync would succeed without it (J3). So every frame that no later frame knows to be
//! synced is written again first, in whichever segment it is.

use super::Journal;
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment};
use crate::disk::{Disk, DiskFile};
use crate::seam::StoreError;

/// How much is written again at a time.
const STEP_BYTES: u64 = 256 << 10;

/// Where a frame begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct FramePlace {
    /// The number of its segment.
    pub(super) segment: u64,
    /// The byte in it.
    pub(super) at: u64,
}

impl<D: Disk> Journal<D> {
    /// Writes every frame from `from` on again, and syncs them. The last segment is synced
    /// in any case.
    pub(super) fn renew(&mut self, from: Option<FramePlace>) -> Result<(), StoreError> {
        let last = self.segments.back().map_or(0, |last| last.number);
        let first = from.map_or(last, |from| from.segment);
        let renewed: Vec<(u64, D::File, u64, u64)> = self
            .segments
            .iter()
            .filter(|segment| segment.number >= first)
            .map(|segment| {
                let start = renew_start(segment, from);
                (segment.number, segment.file.clone(), start, segment.end)
            })
            .collect();
        for (number, file, start, end) in renewed {
            self.renew_segment(&segment::name(number), &file, start, end)?;
        }
        Ok(())
    }

    fn renew_segment(
        &mut self,
        name: &str,
        file: &D::File,
        start: u64,
        end: u64,
    ) -> Result<(), StoreError> {
        let mut at = start;
        while at < end {
            let step = STEP_BYTES.min(end - at);
            let mut bytes = vec![0; usize::try_from(step).unwrap_or(0)];
            let read = file.read_exact_at(&mut bytes, at);
            self.checked("cannot read", name, read)?;
            self.checked("cannot write", name, file.write_all_at(&bytes, at))?;
            at += step;
        }
        // Oldest first: with the last one, all that was read is durable.
        let synced = self.durability.sync(file, self.next);
        self.checked("cannot sync", name, synced)
    }
}

/// Where renewing this segment begins.
fn renew_start<F>(segment: &Segment<F>, from: Option<FramePlace>) -> u64 {
    match from {
        None => segment.end,
        Some(from) if from.segment == segment.number => from.at,
        Some(_) => SEGMENT_HEADER_BYTES as u64,
    }
}
