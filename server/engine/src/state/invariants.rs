//! The invariants of the durable state, checked by a full scan.
//!
//! - I1: every job is in exactly one state and in a queue, and a live one in a group.
//! - I2: a job is in the index of its state, and indexes hold nothing else.
//! - I3: queues by number and by name are the same ones.
//! - I4: the runs of a ready order are sorted, disjoint and apart from the rest.
//! - I5: a group knows how many of its jobs live; groups do not overlap.
//! - I6: the counts and bytes of a queue equal the scan.
//! - I9: the verdict memory is within its bound and behind the next lease.
//! - I10: remembered Puts are within their bound.
//! - I11: deadlines stand for all that needs one, and for nothing else.
//! - I12: numbers given out are below the next ones.
//! - I16: the room kept for outcomes is that of the live jobs that reply.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::deadlines::JobDeadlines;
use crate::effect::Counts;
use crate::id::{JobSeq, LeaseNumber, QueueId};
use crate::state::State;
use crate::state::job::{Job, Place};
use crate::state::queue::count_mut;
use crate::state::reply_room::ReplyRoom;
use crate::transition::{End, JobState};

/// What the scan counts for a queue.
#[derive(Default)]
struct Scanned {
    counts: Counts,
    bytes: u64,
}

/// The live jobs of a scan: each once, with its state.
type Seen = FxHashMap<JobSeq, JobState>;

impl State {
    /// Compares everything with everything else.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.queues.check()?;
        let mut seen = Seen::default();
        for id in self.queues.ids() {
            self.scan_ready(id, &mut seen)?;
        }
        self.scan_tracked(&mut seen)?;
        self.check_groups(&seen)?;
        self.check_counts(&seen)?;
        self.check_deadlines()?;
        self.check_numbers(&seen)?;
        self.check_reply_room(&seen)?;
        self.remembered.check()
    }

    fn scan_ready(&self, id: QueueId, seen: &mut Seen) -> Result<(), String> {
        let Some(queue) = self.queues.get(id) else {
            return Ok(());
        };
        let mut wrong = Ok(());
        queue.ready.scan(&mut |priority, ready| {
            let job = ready.job;
            let group = self.groups.get(job);
            let in_place =
                group.is_some_and(|group| group.queue == id && group.settings.priority == priority);
            let entry = self.jobs.get(job).map(Job::state);
            let entry_right = if ready.tracked {
                entry == Some(JobState::Ready)
            } else {
                entry.is_none()
            };
            if !in_place || !entry_right || seen.insert(job, JobState::Ready).is_some() {
                wrong = Err(format!(
                    "I2: {job:?} is ready in {id:?}, its entry: {entry:?}"
                ));
            }
        })?;
        wrong
    }

    fn scan_tracked(&self, seen: &mut Seen) -> Result<(), String> {
        let mut indexed = 0;
        for (seq, job) in self.jobs.iter() {
            let group = self.groups.get(seq);
            let queue = group.and_then(|group| self.queues.get(group.queue));
            let Some(queue) = queue else {
                return Err(format!("I1: {seq:?} is in no group or no queue"));
            };
            let in_index = match &job.place {
                Place::Ready => seen.get(&seq) == Some(&JobState::Ready),
                Place::Leased(_) => true,
                Place::Scheduled { .. } => queue.scheduled.contains(&seq),
            };
            if !in_index {
                return Err(format!("I2: {seq:?} is not in the index of its state"));
            }
            if job.state() != JobState::Ready && seen.insert(seq, job.state()).is_some() {
                return Err(format!("I1: {seq:?} is ready and something else"));
            }
            indexed += usize::from(matches!(job.place, Place::Scheduled { .. }));
        }
        for (seq, ended) in &self.ended {
            let Some(queue) = self.queues.get(ended.queue) else {
                return Err(format!("I1: {seq:?} is in no queue"));
            };
            let index = match ended.how.end {
                End::Completed => &queue.completed,
                End::Dead => &queue.dead,
                End::Cancelled => &queue.cancelled,
            };
            if !index.contains(seq) {
                return Err(format!("I2: {seq:?} is not in the index of its state"));
            }
            if seen.contains_key(seq) {
                return Err(format!("I1: {seq:?} has ended and lives"));
            }
            indexed += 1;
        }
        let queues = self.queues.by_name_after(None);
        let in_indexes: usize = queues
            .map(|q| q.scheduled.len() + q.dead.len() + q.completed.len() + q.cancelled.len())
            .sum();
        if in_indexes != indexed {
            return Err(format!("I2: {in_indexes} jobs indexed, {indexed} known"));
        }
        Ok(())
    }

    fn check_groups(&self, seen: &Seen) -> Result<(), String> {
        let mut live: BTreeMap<JobSeq, u32> = BTreeMap::new();
        for seq in seen.keys() {
            let Some(group) = self.groups.get(*seq) else {
                return Err(format!("I1: {seq:?} is in no group"));
            };
            *live.entry(group.first).or_default() += 1;
        }
        let mut end = JobSeq(0);
        for group in self.groups.iter() {
            let members = live.get(&group.first).copied().unwrap_or(0);
            if group.first < end || members != group.live || members == 0 {
                return Err(format!("I5: {members} jobs left of {group:?}"));
            }
            end = group.end();
        }
        Ok(())
    }

    fn check_counts(&self, seen: &Seen) -> Result<(), String> {
        let mut scanned: BTreeMap<QueueId, Scanned> = BTreeMap::new();
        for (seq, state) in seen {
            let Some(group) = self.groups.get(*seq) else {
                continue;
            };
            let queue = scanned.entry(group.queue).or_default();
            *count_mut(&mut queue.counts, *state) += 1;
            queue.bytes += u64::from(group.size(*seq));
        }
        for ended in self.ended.values() {
            let queue = scanned.entry(ended.queue).or_default();
            *count_mut(&mut queue.counts, ended.state()) += 1;
        }
        for id in self.queues.ids() {
            let Some(queue) = self.queues.get(id) else {
                continue;
            };
            let found = scanned.remove(&id).unwrap_or_default();
            if (queue.counts, queue.bytes) != (found.counts, found.bytes) {
                return Err(format!(
                    "I6: {:?} counts {:?}, {} bytes; the scan {:?}, {} bytes",
                    queue.name, queue.counts, queue.bytes, found.counts, found.bytes
                ));
            }
        }
        Ok(())
    }

    fn check_reply_room(&self, seen: &Seen) -> Result<(), String> {
        let mut expected = ReplyRoom::default();
        for group in seen.keys().filter_map(|seq| self.groups.get(*seq)) {
            expected.reserve(&group.settings, 1);
        }
        if expected != self.reply_room {
            return Err(format!("I16: {:?}, not {expected:?}", self.reply_room));
        }
        Ok(())
    }

    fn check_deadlines(&self) -> Result<(), String> {
        let mut wanted = 0;
        for (seq, job) in self.jobs.iter() {
            let Some(group) = self.groups.get(seq) else {
                continue;
            };
            let (missing, all) = job.missing_deadlines(seq, &group.settings, &self.deadlines);
            if missing > 0 {
                return Err(format!("I11: a deadline of {seq:?} is missing: {job:?}"));
            }
            wanted += all;
        }
        for (seq, ended) in &self.ended {
            let Some((at, deadline)) = ended.deadline(*seq) else {
                continue;
            };
            if !self.deadlines.kept.contains(at, deadline) {
                return Err(format!("I11: {seq:?} is never forgotten: {ended:?}"));
            }
            wanted += 1;
        }
        let JobDeadlines { jobs, leases, kept } = &self.deadlines;
        let all = jobs.len() + leases.len() + kept.len();
        if wanted != all {
            return Err(format!("I11: {all} deadlines, {wanted} wanted"));
        }
        Ok(())
    }

    fn check_numbers(&self, seen: &Seen) -> Result<(), String> {
        let mut all = seen.keys().chain(self.ended.keys());
        if let Some(seq) = all.find(|seq| **seq >= self.next_job) {
            return Err(format!("I12: {seq:?} is not below {:?}", self.next_job));
        }
        let leases = self.jobs.iter().filter_map(|(_, job)| job.lease());
        let mut numbers: Vec<LeaseNumber> = leases.map(|lease| lease.number).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() != all || numbers.last().is_some_and(|last| *last >= self.next_lease) {
            return Err(format!(
                "I12: leases {numbers:?}, next {:?}",
                self.next_lease
            ));
        }
        let (next, remembered) = self.verdicts.bounds();
        if next > self.next_lease || remembered > self.verdicts.max() {
            return Err(format!(
                "I9: {remembered} verdicts remembered up to {next:?}"
            ));
        }
        Ok(())
    }
}
