//! Where the content of every live job is, and which segments still matter.
//!
//! Jobs that came together are one run: one entry for a whole Put. A job's *home*
//! is the segment that holds its last full record; as long as jobs are at home in
//! a segment it cannot go. Its content may be further on, when it was replaced by
//! a result.

use std::collections::BTreeMap;

use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Sizes;

use super::live::LiveSet;
use super::sizes::{BLOB_HEAD_BYTES, bytes_of, count_of, longest_of};

/// A place in the contents of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The segment.
    pub(super) segment: u32,
    /// Where the frame begins in it.
    pub(super) frame: u32,
    /// Bytes from the start of the frame's contents.
    pub(super) at: u32,
}

/// The content of one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Blob {
    pub(super) place: Place,
    pub(super) len: u32,
}

/// How the contents of a run lie: one behind the other.
#[derive(Clone, Debug)]
enum Layout {
    /// All of this length.
    Uniform(u32),
    /// Where each ends, counted from the start of the run.
    Each(Box<[u32]>),
}

#[derive(Debug)]
struct Run {
    count: u32,
    live: LiveSet,
    home: u32,
    place: Place,
    layout: Layout,
    /// Bytes for each job of the record that the run came with: a job that is written
    /// again takes them once more.
    record: u32,
}

/// Live jobs, and what to write them again would take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Load {
    pub(super) jobs: u64,
    /// Of contents and records.
    pub(super) bytes: u64,
}

/// The index.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the first job; runs do not overlap.
    runs: BTreeMap<u64, Run>,
    /// Live jobs by home.
    homes: BTreeMap<u32, Load>,
    live_bytes: u64,
    /// Bytes of the longest content that was ever in it.
    longest: u32,
}

impl Layout {
    fn of(sizes: &Sizes) -> Self {
        match sizes {
            Sizes::Uniform { size, .. } => Self::Uniform(size + BLOB_HEAD_BYTES),
            Sizes::Each(sizes) => {
                let mut end = 0;
                Self::Each(
                    sizes
                        .iter()
                        .map(|size| {
                            end += size + BLOB_HEAD_BYTES;
                            end
                        })
                        .collect(),
                )
            }
        }
    }

    /// Where the `n`-th begins.
    fn start(&self, n: u32) -> u32 {
        match self {
            Self::Uniform(len) => n * len,
            Self::Each(ends) => n
                .checked_sub(1)
                .and_then(|at| ends.get(at as usize))
                .copied()
                .unwrap_or(0),
        }
    }

    fn slice(&self, from: u32, to: u32) -> Self {
        match self {
            Self::Uniform(len) => Self::Uniform(*len),
            Self::Each(ends) => {
                let start = self.start(from);
                let ends = ends.get(from as usize..to as usize).unwrap_or_default();
                Self::Each(ends.iter().map(|end| end - start).collect())
            }
        }
    }
}

impl Run {
    fn blob(&self, n: u32) -> Blob {
        let start = self.layout.start(n);
        let place = Place {
            at: self.place.at + start,
            ..self.place
        };
        Blob {
            place,
            len: self.layout.start(n + 1) - start,
        }
    }

    fn slice(&self, from: u32, to: u32) -> Self {
        Self {
            count: to - from,
            live: self.live.slice(from, to),
            home: self.home,
            place: Place {
                at: self.place.at + self.layout.start(from),
                ..self.place
            },
            layout: self.layout.slice(from, to),
            record: self.record,
        }
    }

    /// Bytes of the live ones from `from` to below `to`.
    fn live_bytes(&self, from: u32, to: u32) -> u64 {
        match &self.layout {
            Layout::Uniform(len) if self.live.live() == self.count => {
                u64::from(to - from) * u64::from(len + self.record)
            }
            Layout::Uniform(_) | Layout::Each(_) => (from..to)
                .filter(|n| self.live.contains(*n))
                .map(|n| u64::from(self.blob(n).len + self.record))
                .sum(),
        }
    }
}

impl Index {
    /// Where the content of `job` is.
    pub(super) fn locate(&self, job: JobSeq) -> Option<Blob> {
        let (first, run) = self.runs.range(..=job.0).next_back()?;
        let n = u32::try_from(job.0 - first).ok()?;
        run.live.contains(n).then(|| run.blob(n))
    }

    /// Where the contents of the first of `jobs` are, as long as all came together: they
    /// are in one frame.
    pub(super) fn locate_together(&self, jobs: &[JobSeq]) -> impl Iterator<Item = Blob> {
        let first = jobs.first().map_or(0, |job| job.0);
        let found = self.runs.range(..=first).next_back();
        jobs.iter().map_while(move |job| {
            let (first, run) = found?;
            let n = u32::try_from(job.0.checked_sub(*first)?).ok()?;
            run.live.contains(n).then(|| run.blob(n))
        })
    }

    /// New jobs, or jobs written again: then they leave the place they had. `record`: the
    /// bytes of the transition that says so.
    pub(super) fn put(&mut self, first: JobSeq, sizes: &Sizes, place: Place, record: u32) {
        let count = count_of(sizes);
        let Some(record) = record.checked_div(count) else {
            return;
        };
        self.longest = self.longest.max(longest_of(sizes));
        self.clear(first.0, first.0 + u64::from(count));
        let run = Run {
            count,
            live: LiveSet::full(count),
            home: place.segment,
            place,
            layout: Layout::of(sizes),
            record,
        };
        let jobs = u64::from(count);
        let bytes = bytes_of(sizes) + jobs * u64::from(record);
        self.live_bytes += bytes;
        self.enter_home(run.home, Load { jobs, bytes });
        self.runs.insert(first.0, run);
    }

    /// The content of `job` is replaced; its home stays. A job that is not known is
    /// passed over.
    pub(super) fn replace(&mut self, job: JobSeq, size: u32, place: Place) {
        if self.locate(job).is_none() {
            return;
        }
        let run = self.runs.range(..=job.0).next_back();
        let (home, record) = run.map_or((place.segment, 0), |(_, run)| (run.home, run.record));
        self.put(job, &Sizes::Uniform { count: 1, size }, place, record);
        // `put` made the segment of the content its home.
        if let Some(run) = self.runs.get_mut(&job.0) {
            run.home = home;
            let bytes = run.live_bytes(0, 1);
            let one = Load { jobs: 1, bytes };
            self.leave_home(place.segment, one);
            self.enter_home(home, one);
        }
    }

    /// The `count` jobs from `first` on have ended, as far as they are known.
    pub(super) fn remove(&mut self, first: JobSeq, count: u64) {
        let end = first.0.saturating_add(count);
        let mut at = first.0;
        while at < end {
            at = match self.remove_in_run(at, end) {
                Some(upto) => upto,
                // Nothing here: on to the next run.
                None => match self.runs.range(at..end).next() {
                    Some((next, _)) => *next,
                    None => return,
                },
            };
        }
    }

    /// Removes from `at` to `end` in the run that holds `at`; gives the end of what was
    /// dealt with.
    fn remove_in_run(&mut self, at: u64, end: u64) -> Option<u64> {
        let (start, run) = self.runs.range_mut(..=at).next_back()?;
        let start = *start;
        if at >= start + u64::from(run.count) {
            return None;
        }
        let upto = end.min(start + u64::from(run.count));
        let offset = |seq: u64| u32::try_from(seq - start).unwrap_or(u32::MAX);
        let (from, to) = (offset(at), offset(upto));
        let bytes = run.live_bytes(from, to);
        let jobs = u64::from(run.live.remove(from, to));
        let home = run.home;
        if run.live.live() == 0 {
            self.runs.remove(&start);
        }
        self.live_bytes -= bytes;
        self.leave_home(home, Load { jobs, bytes });
        Some(upto)
    }

    /// Makes room for a run of its own from `first` to below `end`: what was there
    /// is removed, and a run that reaches over it is cut, so that runs never overlap.
    fn clear(&mut self, first: u64, end: u64) {
        let last = self.runs.last_key_value();
        if last.is_none_or(|(start, run)| start + u64::from(run.count) <= first) {
            return;
        }
        self.remove(JobSeq(first), end - first);
        let over: Vec<u64> = self
            .runs
            .range(..end)
            .rev()
            .take_while(|(start, run)| *start + u64::from(run.count) > first)
            .map(|(start, _)| *start)
            .collect();
        for start in over {
            let Some(run) = self.runs.remove(&start) else {
                continue;
            };
            let offset = |seq: u64| u32::try_from(seq - start).unwrap_or(u32::MAX);
            let before = run.slice(0, offset(first.max(start)));
            let after = run.slice(offset(end).min(run.count), run.count);
            for (start, piece) in [(start, before), (end, after)] {
                if piece.live.live() > 0 {
                    self.runs.insert(start, piece);
                }
            }
        }
    }

    fn enter_home(&mut self, home: u32, load: Load) {
        let there = self.homes.entry(home).or_default();
        there.jobs += load.jobs;
        there.bytes += load.bytes;
    }

    fn leave_home(&mut self, home: u32, load: Load) {
        if let Some(there) = self.homes.get_mut(&home) {
            there.jobs = there.jobs.saturating_sub(load.jobs);
            there.bytes = there.bytes.saturating_sub(load.bytes);
            if there.jobs == 0 {
                self.homes.remove(&home);
            }
        }
    }

    /// The live jobs that are at home in this segment.
    pub(super) fn at_home(&self, segment: u32) -> Load {
        self.homes.get(&segment).copied().unwrap_or_default()
    }

    /// What to write all live jobs again would take: bytes of contents and records.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The live jobs from `from` on, and where their contents are.
    pub(super) fn jobs_from(&self, from: JobSeq) -> impl Iterator<Item = (JobSeq, Blob)> + '_ {
        let before = self.runs.range(..=from.0).next_back();
        let start = before.map_or(from.0, |(first, _)| *first);
        let jobs = self.runs.range(start..).flat_map(|(first, run)| {
            let job = move |n: u32| (JobSeq(first + u64::from(n)), run.blob(n));
            run.live.iter().map(job)
        });
        jobs.skip_while(move |(job, _)| *job < from)
    }

    /// Bytes of the longest content so far.
    pub(super) fn longest(&self) -> u32 {
        self.longest
    }

    /// Live jobs at home in `segment`, from `from` on: at most `jobs_max` of them and
    /// `bytes_max` of content (one at least), looking at `runs_max` runs at most.
    /// Gives them and where to go on; `None`: there are no more.
    pub(super) fn list_home(
        &self,
        segment: u32,
        from: JobSeq,
        limits: ListLimits,
    ) -> (Vec<JobSeq>, Option<JobSeq>) {
        let mut jobs = Vec::new();
        let (mut bytes, mut fitted) = (0, 0);
        let start = self
            .runs
            .range(..=from.0)
            .next_back()
            .map_or(from.0, |(first, _)| *first);
        for (looked, (first, run)) in self.runs.range(start..).enumerate() {
            if looked >= limits.runs_max {
                return (jobs, Some(JobSeq(*first)));
            }
            if run.home != segment {
                continue;
            }
            for n in run.live.iter() {
                let job = JobSeq(first + u64::from(n));
                if job < from {
                    continue;
                }
                let len = u64::from(run.blob(n).len);
                let full = jobs.len() >= limits.jobs_max || bytes >= limits.bytes_max;
                let fits = limits.fit.is_none_or(|(max, each)| {
                    fitted += len + u64::from(run.record) + each;
                    fitted <= max
                });
                if full || !fits {
                    return (jobs, Some(job));
                }
                bytes += len;
                jobs.push(job);
            }
        }
        (jobs, None)
    }
}

/// How much `list_home` does at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListLimits {
    pub(super) jobs_max: usize,
    pub(super) bytes_max: u64,
    pub(super) runs_max: usize,
    /// The bytes that may be written in all, and the bytes that each job takes beside its
    /// content and its record. Holds in addition to the other limits.
    pub(super) fit: Option<(u64, u64)>,
}

#[cfg(test)]
mod tests;
