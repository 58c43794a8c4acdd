//! Starting: reads every segment, cuts a torn end, refuses anything else.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use leaseq_engine::time::Time;
use leaseq_engine::transition::Transition;

use super::Journal;
use super::carried::{note, remembered_puts};
use super::frame::Kind;
use super::head::HeadRecord;
use super::index::Place;
use super::open::{Opened, open_segments};
use super::renew::FramePlace;
use super::scan::{Before, End, Frame, Scanned, scan};
use super::segment::{self, RESERVE_NAME, SPARE_NAME, Segment};
use super::sync::SyncPolicy;
use crate::disk::{Disk, DiskFile};
use crate::doctor::{Findings, SegmentFinding};
use crate::record;
use crate::seam::{Batch, Epoch, Loaded, Loss, Position, StoreError};

/// Who gets the batches.
type Replay<'a> = dyn FnMut(Batch, bool) -> Result<(), String> + 'a;

/// What is known when the last frame has been read.
pub(super) struct Progress {
    next: Position,
    epoch: Epoch,
    last_time: Time,
    /// The trim that must still come: of the segment before the oldest present.
    trim_awaited: Option<u64>,
    /// The highest segment that a trim has named.
    trimmed: u64,
    /// Batches read so far.
    batches: u64,
    /// Remembered Puts read so far.
    puts: u64,
    /// The frames that no later one knows to be synced, oldest first.
    unsynced: VecDeque<(Position, FramePlace)>,
}

impl Progress {
    fn new<F>(opened: &[Opened<F>]) -> Self {
        let oldest = opened.first().map_or(1, |segment| segment.header.number);
        Self {
            next: opened
                .first()
                .map_or(Position(0), |segment| segment.header.first),
            epoch: Epoch(0),
            last_time: Time::default(),
            trim_awaited: oldest.checked_sub(1).filter(|before| *before > 0),
            trimmed: 0,
            batches: 0,
            puts: 0,
            unsynced: VecDeque::new(),
        }
    }
}

impl<D: Disk> Journal<D> {
    /// Reads everything. Nothing on disk is changed before all of it was found
    /// right; then a torn end is cut.
    pub(super) fn read_all(&mut self, replay: &mut Replay<'_>) -> Result<Loaded, StoreError> {
        let opened = open_segments(&self.disk)?;
        let mut progress = Progress::new(&opened);
        let last = opened.len().saturating_sub(1);
        let mut torn = None;
        for (n, segment) in opened.into_iter().enumerate() {
            let scanned = self.read_segment(segment, n == last, &mut progress, replay)?;
            torn = scanned.torn();
        }
        self.trim_found(&progress)?;
        let head = self.read_head()?;
        let loss = self.loss(head, progress.next);
        if let Some(loss) = loss.filter(|_| !self.options.accept_loss) {
            return Err(self.lost(loss));
        }
        let torn_bytes = torn.map_or(Ok(0), |torn| self.cut(torn))?;
        self.begin(&progress, head)?;
        let Progress {
            next, last_time, ..
        } = progress;
        Ok(Loaded {
            epoch: self.epoch,
            next,
            last_time,
            torn_bytes,
            loss,
            shortcomings: self.disk.shortcomings(),
            report: self.report(),
        })
    }

    /// Reads everything, the contents of live jobs included, and changes nothing. Gives
    /// what was found as far as it goes, and what is wrong.
    pub(super) fn examine_all(&mut self, replay: &mut Replay<'_>) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        let opened = match open_segments(&self.disk) {
            Ok(opened) => opened,
            Err(error @ StoreError::Io { .. }) => return Err(error),
            Err(problem) => {
                findings.problem = Some(problem);
                return Ok(findings);
            }
        };
        let mut progress = Progress::new(&opened);
        let last = opened.len().saturating_sub(1);
        for (n, segment) in opened.into_iter().enumerate() {
            let name = segment::name(segment.header.number);
            let before = progress.batches;
            let read = self.read_segment(segment, n == last, &mut progress, replay);
            let used = self.segments.back().map_or(0, |segment| segment.end);
            let bytes = self.segments.back().map_or(0, |segment| segment.len);
            let batches = progress.batches - before;
            findings.segments.push(SegmentFinding {
                name: name.clone(),
                bytes,
                used,
                batches,
            });
            match read {
                Ok(scanned) => {
                    findings.torn = scanned
                        .torn()
                        .map(|torn| (name, torn.start, torn.end - torn.start));
                }
                Err(problem) => {
                    findings.problem = Some(problem);
                    break;
                }
            }
        }
        if findings.problem.is_none() {
            findings.problem = self.trim_found(&progress).err();
        }
        if findings.problem.is_none() {
            findings.problem = match self.read_head() {
                Ok(head) => self.loss(head, progress.next).map(|loss| self.lost(loss)),
                Err(problem) => Some(problem),
            };
        }
        findings.starts = progress.epoch.0;
        findings.last_time = progress.last_time;
        findings.live_bytes = self.index.live_bytes();
        findings.damaged = self.damaged_contents()?;
        Ok(findings)
    }

    fn lost(&self, loss: Loss) -> StoreError {
        StoreError::Lost {
            dir: self.disk.path(""),
            loss,
        }
    }

    /// That the trim of the segment before the oldest was found.
    fn trim_found(&self, progress: &Progress) -> Result<(), StoreError> {
        progress.trim_awaited.map_or(Ok(()), |number| {
            Err(StoreError::Damaged {
                path: self.disk.path(&segment::name(number + 1)),
                offset: 0,
                what: format!("it is the oldest segment, but nothing says that {number} may go"),
            })
        })
    }

    fn read_segment(
        &mut self,
        segment: Opened<D::File>,
        is_last: bool,
        progress: &mut Progress,
        replay: &mut Replay<'_>,
    ) -> Result<Scanned, StoreError> {
        let name = segment::name(segment.header.number);
        let path = self.disk.path(&name);
        let damaged = |offset, what: String| StoreError::Damaged {
            path: path.clone(),
            offset,
            what,
        };
        if segment.header.first != progress.next {
            return Err(damaged(
                0,
                format!(
                    "it begins with batch {}, but the segment before it ends before batch {}",
                    segment.header.first.0, progress.next.0
                ),
            ));
        }
        let number = segment.header.number;
        let before = Before {
            next: progress.next,
            epoch: progress.epoch,
            salt: segment.header.salt,
        };
        // Only the end of the last segment can be torn. Elsewhere contents are checked
        // when they are read: damage there ends single jobs and stops no start.
        let scanned = scan(&segment.file, before, is_last, |frame| {
            self.read_frame(number, frame, progress, replay)
                .map_err(|error| match error {
                    FrameError::Bytes(what) => Failure::Store(damaged(frame.at, what)),
                    FrameError::Replay(what) => Failure::Store(StoreError::Contradiction {
                        what: format!("{} at byte {}: {what}", path.display(), frame.at),
                    }),
                })
        });
        let scanned = scanned.map_err(|failure| match failure {
            Failure::Store(error) => error,
            Failure::Io(source) => StoreError::Io {
                action: "cannot read",
                path: path.clone(),
                source,
            },
        })?;
        let Opened { header, file, len } = segment;
        self.segments.push_back(Segment {
            number,
            file,
            end: scanned.at,
            len,
            salt: header.salt,
            puts: progress.puts,
        });
        match scanned.end {
            End::Clean => Ok(scanned),
            End::Torn { .. } if is_last => Ok(scanned),
            End::Torn { .. } | End::Damaged => Err(damaged(
                scanned.at,
                "the bytes are not what was written, and more was written after them".into(),
            )),
        }
    }

    fn read_frame(
        &mut self,
        segment: u64,
        frame: &Frame<'_>,
        progress: &mut Progress,
        replay: &mut Replay<'_>,
    ) -> Result<(), FrameError> {
        let header = &frame.header;
        progress.next = header.next();
        progress.epoch = progress.epoch.max(header.epoch);
        let place = FramePlace {
            segment,
            at: frame.at,
        };
        progress.unsynced.push_back((header.position, place));
        let is_synced = |(position, _): &(Position, FramePlace)| *position < header.durable;
        while progress.unsynced.front().is_some_and(is_synced) {
            progress.unsynced.pop_front();
        }
        match header.kind {
            Kind::Trim => {
                let number = frame
                    .meta
                    .first_chunk::<8>()
                    .copied()
                    .map(u64::from_le_bytes);
                let number = number.ok_or(FrameError::Bytes("a trim without a number".into()))?;
                progress.trimmed = progress.trimmed.max(number);
                if progress
                    .trim_awaited
                    .is_some_and(|awaited| number >= awaited)
                {
                    progress.trim_awaited = None;
                }
                Ok(())
            }
            Kind::Batch => {
                progress.last_time = progress.last_time.max(header.time);
                progress.batches += 1;
                let transitions = self.read_transitions(segment, frame)?;
                progress.puts += remembered_puts(&transitions);
                let batch = Batch {
                    time: header.time,
                    transitions,
                };
                replay(batch, progress.trim_awaited.is_some()).map_err(FrameError::Replay)
            }
        }
    }

    /// The transitions of a batch; the index is up to date with them.
    pub(super) fn read_transitions(
        &mut self,
        segment: u64,
        frame: &Frame<'_>,
    ) -> Result<Vec<Transition>, FrameError> {
        let too_far = || FrameError::Bytes("a place beyond what a segment can hold".into());
        let mut place = Place {
            segment: u32::try_from(segment).map_err(|_| too_far())?,
            frame: u32::try_from(frame.at).map_err(|_| too_far())?,
            at: 0,
        };
        let mut reader = record::Reader::new(frame.meta);
        let mut transitions = Vec::new();
        while !reader.is_empty() {
            let at = reader.offset();
            let transition = record::decode(&mut reader);
            let transition = transition.map_err(|error| FrameError::Bytes(error.to_string()))?;
            let bytes = u32::try_from(reader.offset() - at).map_err(|_| too_far())?;
            let end = note(&mut self.index, &mut self.ended, &transition, place, bytes);
            place.at = end.ok_or_else(too_far)?;
            transitions.push(transition);
        }
        self.forget_ended();
        Ok(transitions)
    }

    /// Cuts what a kill or a power cut left at the end of the last segment, so that
    /// it can never be taken for a frame later.
    fn cut(&mut self, torn: Range<u64>) -> Result<u64, StoreError> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let Some(last) = self.segments.back() else {
            return Ok(0);
        };
        let (name, file) = (segment::name(last.number), last.file.clone());
        let mut from = torn.start;
        while from < torn.end {
            let step = (torn.end - from).min(ZEROS.len() as u64);
            let zeros = ZEROS
                .get(..usize::try_from(step).unwrap_or(0))
                .unwrap_or_default();
            let written = file.write_all_at(zeros, from);
            self.checked("cannot write", &name, written)?;
            from += step;
        }
        let synced = self.durability.sync(&file, Position::default());
        self.checked("cannot sync", &name, synced)?;
        Ok(torn.end - torn.start)
    }

    /// Everything was read: this process owns the journal from now on.
    fn begin(&mut self, progress: &Progress, head: Option<HeadRecord>) -> Result<(), StoreError> {
        // A start that wrote no batch is known to `HEAD` alone.
        let last_epoch = head.map_or(0, |head| head.epoch.0).max(progress.epoch.0);
        self.epoch = Epoch(last_epoch + 1);
        self.next = progress.next;
        self.compaction.trimmed = progress.trimmed;
        self.remove_spares()?;
        self.open_head(head)?;
        if self.segments.is_empty() {
            self.start_segment(1)?;
        }
        // What was read may still be in the caches of the system alone, if the last
        // owner was killed: from here on it counts as synced.
        self.renew(progress.unsynced.front().map(|(_, place)| *place))?;
        let synced = self.disk.sync_dir();
        self.checked("cannot sync", "", synced)?;
        self.write_head()?;
        if let SyncPolicy::Interval(interval) = self.options.sync {
            let started = self.durability.start_flusher(interval);
            self.checked("cannot start a thread for", "", started)?;
        }
        self.set_space_aside();
        Ok(())
    }

    /// Removes the spare and the reserve of the last owner: nothing says that all of them
    /// was set aside. New ones are made at the end of the start; without room for them
    /// puts are refused until there is (J5).
    fn remove_spares(&mut self) -> Result<(), StoreError> {
        let names = self.disk.list();
        let names = self.checked("cannot list", "", names)?;
        for aside in [SPARE_NAME, RESERVE_NAME] {
            if names.iter().any(|name| name == aside) {
                let removed = self.disk.remove(aside);
                self.checked("cannot remove", aside, removed)?;
            }
        }
        Ok(())
    }
}

/// What is wrong with a frame.
pub(super) enum FrameError {
    /// Its bytes.
    Bytes(String),
    /// What it says.
    Replay(String),
}

/// What ended a scan.
enum Failure {
    Store(StoreError),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
