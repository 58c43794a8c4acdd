//! The ready order of a queue: priority, higher first, then put order.
//!
//! Jobs that have never been leased are runs of consecutive sequence numbers;
//! those that came back, or were scheduled, stand beside them one by one and are
//! merged in by their sequence number, which is their old place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::JobSeq;

/// The ready jobs of one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyOrder {
    lanes: BTreeMap<i32, Lane>,
}

/// The ready jobs of one priority. I4: runs are sorted, disjoint and not adjacent,
/// and no member of `returned` is in one of them.
#[derive(Clone, Debug, Default)]
struct Lane {
    runs: VecDeque<Run>,
    returned: BTreeSet<JobSeq>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    first: JobSeq,
    count: u64,
}

/// A ready job, and whether it is tracked by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    pub(crate) job: JobSeq,
    pub(crate) tracked: bool,
}

impl ReadyOrder {
    /// Adds `count` jobs that have never been leased.
    pub(crate) fn add_run(&mut self, priority: i32, first: JobSeq, count: u64) {
        let lane = self.lanes.entry(priority).or_default();
        lane.add_run(Run { first, count });
    }

    /// Adds a tracked job.
    pub(crate) fn add_returned(&mut self, priority: i32, job: JobSeq) {
        let lane = self.lanes.entry(priority).or_default();
        lane.returned.insert(job);
    }

    /// How many jobs from `job` on are consecutive in one run; 0: it is in none.
    pub(crate) fn run_length_at(&self, priority: i32, job: JobSeq) -> u64 {
        let lane = self.lanes.get(&priority);
        let run = lane.and_then(|lane| lane.runs.get(lane.find(job)?));
        run.map_or(0, |run| run.end().0 - job.0)
    }

    /// Takes `count` consecutive jobs out of a run. False: they are not in one.
    pub(crate) fn remove_run(&mut self, priority: i32, first: JobSeq, count: u64) -> bool {
        let Some(lane) = self.lanes.get_mut(&priority) else {
            return false;
        };
        let removed = lane.remove_run(first, count);
        self.drop_empty_lane(priority);
        removed
    }

    /// Takes a tracked job out. False: it is not here.
    pub(crate) fn remove_returned(&mut self, priority: i32, job: JobSeq) -> bool {
        let Some(lane) = self.lanes.get_mut(&priority) else {
            return false;
        };
        let removed = lane.returned.remove(&job);
        self.drop_empty_lane(priority);
        removed
    }

    /// Lanes come and go with their jobs, so that looking for the first ready job
    /// never walks empty ones. The usual lane stays: most queues have only that.
    fn drop_empty_lane(&mut self, priority: i32) {
        let empty = |lane: &Lane| lane.runs.is_empty() && lane.returned.is_empty();
        if priority != 0 && self.lanes.get(&priority).is_some_and(empty) {
            self.lanes.remove(&priority);
        }
    }

    /// Adds the first `max` jobs to `found`, in the ready order.
    pub(crate) fn front(&self, max: usize, found: &mut Vec<Ready>) {
        for lane in self.lanes.values().rev() {
            if found.len() >= max {
                return;
            }
            lane.front(JobSeq(0), max, found);
        }
    }

    /// The first `max` jobs from `from` on in put order, whatever their priority.
    pub(crate) fn in_put_order(&self, from: JobSeq, max: usize) -> Vec<JobSeq> {
        let mut found = Vec::new();
        for lane in self.lanes.values() {
            let mut of_lane = Vec::new();
            lane.front(from, max, &mut of_lane);
            found.extend(of_lane.into_iter().map(|ready| ready.job));
        }
        found.sort_unstable();
        found.truncate(max);
        found
    }

    /// The oldest ready job.
    pub(crate) fn oldest(&self) -> Option<JobSeq> {
        self.lanes.values().filter_map(Lane::oldest).min()
    }

    /// Calls `see` for each job; an error if the lanes are not as they should be.
    pub(crate) fn scan(&self, see: &mut dyn FnMut(i32, Ready)) -> Result<(), String> {
        for (priority, lane) in &self.lanes {
            let mut end = JobSeq(0);
            for run in &lane.runs {
                if run.count == 0 || run.first <= end {
                    return Err(format!("I4: run {run:?} follows {end:?}"));
                }
                end = run.end();
                for job in run.first.0..end.0 {
                    let job = JobSeq(job);
                    if lane.returned.contains(&job) {
                        return Err(format!("I4: {job:?} is in a run and beside it"));
                    }
                    let ready = Ready {
                        job,
                        tracked: false,
                    };
                    see(*priority, ready);
                }
            }
            for job in &lane.returned {
                let ready = Ready {
                    job: *job,
                    tracked: true,
                };
                see(*priority, ready);
            }
        }
        Ok(())
    }
}

impl Run {
    fn end(&self) -> JobSeq {
        self.first.plus(self.count)
    }
}

impl Lane {
    fn oldest(&self) -> Option<JobSeq> {
        let run = self.runs.front().map(|run| run.first);
        let returned = self.returned.first().copied();
        match (run, returned) {
            (Some(run), Some(returned)) => Some(run.min(returned)),
            (one, other) => one.or(other),
        }
    }

    fn add_run(&mut self, run: Run) {
        let after = match self.runs.back_mut() {
            Some(back) if back.end() == run.first => {
                back.count += run.count;
                return;
            }
            Some(back) if back.end() > run.first => {
                // A restated run, older than what is here: only at a restart.
                self.runs.partition_point(|other| other.first < run.first)
            }
            _ => self.runs.len(),
        };
        self.runs.insert(after, run);
        self.merge(after);
        if let Some(before) = after.checked_sub(1) {
            self.merge(before);
        }
    }

    /// Joins the run at `at` with the next one if nothing is between them.
    fn merge(&mut self, at: usize) {
        let next = self.runs.get(at + 1).copied();
        if let (Some(run), Some(next)) = (self.runs.get_mut(at), next)
            && run.end() == next.first
        {
            run.count += next.count;
            self.runs.remove(at + 1);
        }
    }

    /// The index of the run that holds `job`.
    fn find(&self, job: JobSeq) -> Option<usize> {
        let holds = |run: &Run| run.first <= job && job < run.end();
        // Nearly always it is the first: that is the ready order.
        if self.runs.front().is_some_and(holds) {
            return Some(0);
        }
        let at = self
            .runs
            .partition_point(|run| run.first <= job)
            .checked_sub(1)?;
        self.runs.get(at).is_some_and(holds).then_some(at)
    }

    fn remove_run(&mut self, first: JobSeq, count: u64) -> bool {
        let Some(at) = self.find(first) else {
            return false;
        };
        let Some(run) = self.runs.get_mut(at) else {
            return false;
        };
        let end = first.plus(count);
        if end > run.end() {
            return false;
        }
        let rest = Run {
            first: end,
            count: run.end().0 - end.0,
        };
        run.count = first.0 - run.first.0;
        match (run.count, rest.count) {
            (0, 0) => drop(self.runs.remove(at)),
            (0, _) => *run = rest,
            (_, 0) => {}
            (_, _) => self.runs.insert(at + 1, rest),
        }
        true
    }

    /// Adds jobs from `from` on to `found` until that holds `max`.
    fn front(&self, from: JobSeq, max: usize, found: &mut Vec<Ready>) {
        let mut returned = self.returned.range(from..).copied().peekable();
        let first_run = self.runs.partition_point(|run| run.end() <= from);
        for run in self.runs.range(first_run..) {
            for job in run.first.max(from).0..run.end().0 {
                let job = JobSeq(job);
                while let Some(job) = returned.next_if(|other| *other < job) {
                    if found.len() >= max {
                        return;
                    }
                    found.push(Ready { job, tracked: true });
                }
                if found.len() >= max {
                    return;
                }
                found.push(Ready {
                    job,
                    tracked: false,
                });
            }
        }
        let room = max.saturating_sub(found.len());
        found.extend(returned.take(room).map(|job| Ready { job, tracked: true }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(order: &ReadyOrder) -> Vec<u64> {
        let mut found = Vec::new();
        order.front(usize::MAX, &mut found);
        found.into_iter().map(|ready| ready.job.0).collect()
    }

    fn runs(order: &ReadyOrder) -> Vec<(u64, u64)> {
        let lane = order.lanes.get(&0);
        lane.map_or(Vec::new(), |lane| {
            lane.runs
                .iter()
                .map(|run| (run.first.0, run.count))
                .collect()
        })
    }

    #[test]
    fn runs_merge_when_nothing_is_between_them() {
        let mut ready = ReadyOrder::default();
        ready.add_run(0, JobSeq(10), 5);
        ready.add_run(0, JobSeq(15), 5);
        ready.add_run(0, JobSeq(30), 1);
        // Restated ones come late and are older.
        ready.add_run(0, JobSeq(1), 2);
        ready.add_run(0, JobSeq(5), 5);
        ready.add_run(0, JobSeq(20), 10);
        assert_eq!(runs(&ready), [(1, 2), (5, 26)]);
    }

    #[test]
    fn taking_out_of_a_run_splits_it() {
        let mut ready = ReadyOrder::default();
        ready.add_run(0, JobSeq(1), 10);
        assert!(ready.remove_run(0, JobSeq(4), 2));
        assert_eq!(runs(&ready), [(1, 3), (6, 5)]);
        assert!(ready.remove_run(0, JobSeq(1), 1) && ready.remove_run(0, JobSeq(10), 1));
        assert_eq!(runs(&ready), [(2, 2), (6, 4)]);
        assert!(ready.remove_run(0, JobSeq(2), 2));
        assert_eq!(runs(&ready), [(6, 4)]);
        for (first, count) in [(4, 1), (5, 1), (9, 2), (10, 1)] {
            assert!(
                !ready.remove_run(0, JobSeq(first), count),
                "{first} {count}"
            );
        }
        assert_eq!(ready.run_length_at(0, JobSeq(7)), 3);
        assert_eq!(ready.run_length_at(0, JobSeq(10)), 0);
    }

    #[test]
    fn priority_goes_first_and_what_came_back_has_its_old_place() {
        let mut ready = ReadyOrder::default();
        ready.add_run(0, JobSeq(2), 3);
        ready.add_run(-1, JobSeq(1), 1);
        ready.add_run(9, JobSeq(20), 1);
        ready.add_returned(0, JobSeq(7));
        ready.add_run(0, JobSeq(8), 1);
        ready.add_returned(0, JobSeq(1));
        assert_eq!(order(&ready), [20, 1, 2, 3, 4, 7, 8, 1]);
        assert_eq!(ready.oldest(), Some(JobSeq(1)));
        assert_eq!(ready.in_put_order(JobSeq(3), 3), [3, 4, 7].map(JobSeq));
        assert!(ready.remove_returned(0, JobSeq(7)) && !ready.remove_returned(0, JobSeq(8)));
        assert!(ready.remove_run(9, JobSeq(20), 1));
        assert_eq!(ready.lanes.len(), 2, "an empty lane goes");
    }
}
