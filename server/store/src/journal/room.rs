//! How much room is left on a full disk, and for what.
//!
//! J5: beside the segment that is written to, two segments' worth of space are set
//! aside. When the *spare* has been used and no new one can be had, the disk is full.
//! What is left then is the rest of the last segment, for what ends jobs, and the
//! *reserve*: with it the oldest segment can be written again even if all of
//! it is alive, which gives a whole segment back (docs/adr/0012-a-full-disk.md).

use leaseq_engine::transition::Transition;

use super::Journal;
use super::carried::{Carried, carried};
use super::index::{ListLimits, Load};
use super::segment::{SEGMENT_HEADER_BYTES, Segment};
use crate::disk::Disk;
use crate::seam::Space;

/// Bytes around the records and contents of a frame: the header, the zeros behind it,
/// and what rounds it up.
const FRAME_BYTES: u64 = 128;

/// Bytes of the record of a restated job beyond those of the record it had.
const RESTATED_BYTES: u64 = 48;

/// When nothing is leased any more, a whole turn is made for this part of a segment.
const LEAST_GARBAGE: u64 = 16;

/// A step that must fit has this many jobs at most: each may have a long error.
const FITTING_JOBS_MAX: usize = 1000;

impl<D: Disk> Journal<D> {
    /// What may still be written.
    pub(super) fn space(&self) -> Space {
        if self.spare.is_some() {
            return Space::Enough;
        }
        let by_room = self.space_by_room();
        if by_room < Space::Last || self.is_at_work() {
            return by_room;
        }
        // To wait would gain nothing. What ends jobs makes garbage, and it takes leases.
        if self.free() > self.floor() / 4 * 3 {
            Space::Low
        } else if self.free() > self.floor() / 2 {
            Space::Last
        } else {
            Space::Full
        }
    }

    fn space_by_room(&self) -> Space {
        let (free, segment) = (self.free(), self.options.segment_bytes);
        if free > segment / 2 {
            Space::Reserve
        } else if free > segment / 4 {
            Space::Low
        } else if free > self.floor() {
            Space::Last
        } else {
            Space::Full
        }
    }

    /// Whether compaction is making room, or is about to.
    fn is_at_work(&self) -> bool {
        if self.compaction.begun {
            return !self.compaction.stuck;
        }
        let worth = self.options.segment_bytes / LEAST_GARBAGE;
        let fresh = self.compaction.fresh;
        let wanted = self.compaction.turn.is_some() || fresh.is_none_or(|fresh| fresh >= worth);
        wanted && self.oldest().is_some_and(|oldest| self.can_empty(oldest))
    }

    /// Bytes that may be written before `Space::Full`.
    pub(super) fn room(&self) -> u64 {
        if self.spare.is_some() {
            return u64::MAX;
        }
        self.free().saturating_sub(self.floor() / 2)
    }

    /// Bytes left for anything but compaction. As long as a segment is being emptied they
    /// stay the same: what is written of it was kept back for that.
    fn free(&self) -> u64 {
        let segment = self.options.segment_bytes;
        let kept_back = match (self.compaction.begun, &self.reserve) {
            (true, _) if !self.compaction.stuck => {
                self.oldest().map_or(0, |oldest| self.need(oldest))
            }
            (false, Some(_)) => segment,
            (_, _) => segment / 4,
        };
        self.left().saturating_sub(kept_back)
    }

    /// Below this, nothing but compaction writes: two frames may not fit the end of a
    /// segment, and a part of the ledger comes before the trim.
    fn floor(&self) -> u64 {
        let segment = self.options.segment_bytes;
        let waste = segment / 16 + u64::from(self.index.longest()) + self.compaction.ledger_bytes;
        waste.clamp(segment / 8, segment / 16 * 3)
    }

    /// All bytes that can be written for certain.
    fn left(&self) -> u64 {
        let aside = [&self.reserve, &self.spare];
        let aside = aside.into_iter().filter(|file| file.is_some()).count() as u64;
        self.rest() + aside * self.options.segment_bytes
    }

    /// Bytes left in the last segment.
    fn rest(&self) -> u64 {
        let last = self.segments.back();
        last.map_or(0, |last| last.len.saturating_sub(last.end))
    }

    fn oldest(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.number)
    }

    /// Bytes it takes to write again what a segment holds and remove it.
    fn need(&self, segment: u64) -> u64 {
        let Load { jobs, bytes } = self.index.at_home(Self::home(segment));
        bytes + bytes / 64 + jobs / 16 + self.compaction.ledger_bytes + 4 * FRAME_BYTES
    }

    /// Whether the oldest segment can be emptied in the room that is left.
    fn can_empty(&self, oldest: u64) -> bool {
        let need = self.need(oldest);
        // The end of a segment is wasted when the next job does not fit.
        let waste = u64::from(self.index.longest()).min(self.rest());
        need <= self.rest() || need + waste + FRAME_BYTES <= self.left()
    }

    /// Bytes in the segments that are neither alive nor what any segment has beside its
    /// jobs.
    fn garbage(&self) -> u64 {
        let usual = self.options.segment_bytes / 16 + 2 * self.compaction.ledger_bytes;
        let of = |segment: &Segment<D::File>| {
            let alive = self.index.at_home(Self::home(segment.number)).bytes;
            Some(self.used(segment).saturating_sub(alive)).filter(|garbage| *garbage > usual)
        };
        self.segments.iter().filter_map(of).sum()
    }

    fn used(&self, segment: &Segment<D::File>) -> u64 {
        segment.end.saturating_sub(SEGMENT_HEADER_BYTES as u64)
    }

    /// Whether to empty the oldest segment on a full disk. Segments go from the oldest
    /// on, so to get at the garbage in a newer one all before it are written again: each
    /// gives back a segment for the segment that it takes.
    pub(super) fn is_worthwhile_on_a_full_disk(&mut self, oldest: u64) -> bool {
        let segment = self.options.segment_bytes;
        let garbage = self.garbage();
        let fresh = match self.compaction.fresh {
            Some(fresh) => fresh,
            None => self.first_fresh(garbage),
        };
        self.compaction.fresh = Some(fresh);
        if self.compaction.turn.is_some_and(|turn| turn.last < oldest) {
            self.end_turn();
        }
        let fresh = self.compaction.fresh.unwrap_or(0);
        // Early enough, so that grants go on meanwhile. When they have stopped, for less.
        let worth = match self.space_by_room() {
            Space::Enough | Space::Reserve => u64::MAX,
            Space::Low => segment / 8,
            Space::Last | Space::Full => segment / LEAST_GARBAGE,
        };
        if self.compaction.turn.is_none() && fresh >= worth {
            let last = self.segments.back().map_or(oldest, |last| last.number);
            self.compaction.turn = Some(Turn { last, fresh });
        }
        let ledgers = self.segments.len() as u64 * self.compaction.ledger_bytes;
        let wanted = garbage >= segment + ledgers || self.compaction.turn.is_some();
        wanted && self.can_empty(oldest)
    }

    /// How much garbage counts as new when the disk has become full, or at a start. When
    /// nothing can be written any more, all of it: then it is tried once.
    fn first_fresh(&self, garbage: u64) -> u64 {
        if self.space_by_room() < Space::Full {
            return garbage;
        }
        let used: u64 = self.segments.iter().map(|it| self.used(it)).sum();
        used.saturating_sub(self.index.live_bytes())
    }

    fn end_turn(&mut self) {
        if let (Some(turn), Some(fresh)) = (self.compaction.turn.take(), &mut self.compaction.fresh)
        {
            *fresh = fresh.saturating_sub(turn.fresh);
        }
    }

    /// Counts what a batch has made garbage, or will: all that it wrote but what
    /// compaction had asked for. `records`: the bytes of each transition.
    pub(super) fn note_written(&mut self, transitions: &[Transition], records: &[u32], bytes: u64) {
        if self.spare.is_some() {
            self.compaction.fresh = None;
            self.compaction.turn = None;
            return;
        }
        let (mut restated, mut all) = (0, true);
        for (transition, record) in transitions.iter().zip(records) {
            let carried = carried(transition);
            let is_ledger = self.compaction.asked_for_ledger() && is_of_ledger(transition);
            if is_ledger || matches!(carried, Carried::Copied { .. }) {
                restated += carried.bytes() + u64::from(*record);
            } else {
                all = false;
            }
        }
        if !all && let Some(fresh) = &mut self.compaction.fresh {
            *fresh += bytes.saturating_sub(restated);
        }
    }

    /// What one step may restate so that it fits the last segment, and, if not even one
    /// job does, the reserve.
    pub(super) fn fitting_steps(&self, usual: ListLimits) -> Vec<ListLimits> {
        if self.spare.is_some() {
            return vec![usual];
        }
        let reserve = self.reserve.as_ref().map(|_| self.options.segment_bytes);
        let rooms = std::iter::once(self.rest()).chain(reserve);
        rooms
            .map(|room| {
                let fit = room.saturating_sub(3 * FRAME_BYTES);
                ListLimits {
                    jobs_max: FITTING_JOBS_MAX,
                    fit: Some((fit - fit / 64, RESTATED_BYTES)),
                    ..usual
                }
            })
            .collect()
    }

    /// Whether the ledger and the trim can be written.
    pub(super) fn ledger_fits(&self) -> bool {
        self.compaction.ledger_bytes + 4 * FRAME_BYTES <= self.left()
    }

    pub(super) fn home(segment: u64) -> u32 {
        u32::try_from(segment).unwrap_or(u32::MAX)
    }
}

/// All segments up to `last` are being written again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    last: u64,
    /// The garbage it was begun for.
    fresh: u64,
}

/// Whether this is a part of the ledger, if that is being restated.
pub(super) fn is_of_ledger(transition: &Transition) -> bool {
    matches!(
        transition,
        Transition::NamespaceCreated { .. }
            | Transition::ClocksRead { .. }
            | Transition::QueueSet { .. }
            | Transition::PutRemembered { .. }
            | Transition::CountersRestated { .. }
    )
}
