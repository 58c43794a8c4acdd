//! Groups: consecutive jobs that were put at the same millisecond into the same
//! queue and told the same. A waiting plain job costs its share of a group and
//! nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{JobSeq, QueueId};
use crate::settings::JobSettings;
use crate::time::Time;
use crate::transition::Sizes;

/// How far a group with one size per job grows: a single job that stays keeps the
/// sizes of all of them in memory.
pub(crate) const SIZES_EACH_MAX: u32 = 1024;

/// Consecutive jobs that share everything but their size.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) first: JobSeq,
    /// How many places it spans, those of forgotten jobs included.
    pub(crate) count: u32,
    /// How many of its jobs are known still.
    pub(crate) live: u32,
    pub(crate) queue: QueueId,
    pub(crate) put_time: Time,
    pub(crate) settings: Arc<JobSettings>,
    sizes: GroupSizes,
}

#[derive(Clone, Debug)]
enum GroupSizes {
    Uniform(u32),
    Each(Vec<u32>),
}

impl Group {
    /// The place after its last.
    pub(crate) fn end(&self) -> JobSeq {
        self.first.plus(u64::from(self.count))
    }

    pub(crate) fn contains(&self, job: JobSeq) -> bool {
        self.first <= job && job < self.end()
    }

    /// Bytes that the job was put with.
    pub(crate) fn size(&self, job: JobSeq) -> u32 {
        match &self.sizes {
            GroupSizes::Uniform(size) => *size,
            GroupSizes::Each(sizes) => usize::try_from(job.0 - self.first.0)
                .ok()
                .and_then(|at| sizes.get(at))
                .copied()
                .unwrap_or(0),
        }
    }

    fn push(&mut self, sizes: &Sizes) {
        self.count += sizes.count();
        self.live += sizes.count();
        match (&mut self.sizes, sizes) {
            (GroupSizes::Uniform(ours), Sizes::Uniform { size, .. }) if *ours == *size => {}
            (GroupSizes::Uniform(ours), _) => {
                let before = usize::try_from(self.count - sizes.count()).unwrap_or(0);
                let mut each = vec![*ours; before];
                each.extend(sizes.iter());
                self.sizes = GroupSizes::Each(each);
            }
            (GroupSizes::Each(each), _) => each.extend(sizes.iter()),
        }
    }

    /// Whether jobs with these properties may become part of this group.
    fn takes(&self, queue: QueueId, put_time: Time, settings: &JobSettings, sizes: &Sizes) -> bool {
        let Some(count) = self.count.checked_add(sizes.count()) else {
            return false;
        };
        let stays_uniform = matches!((&self.sizes, sizes),
            (GroupSizes::Uniform(ours), Sizes::Uniform { size, .. }) if ours == size);
        (stays_uniform || count <= SIZES_EACH_MAX)
            && self.queue == queue
            && self.put_time == put_time
            && *self.settings == *settings
    }
}

/// All groups, in put order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(BTreeMap<JobSeq, Group>);

impl Groups {
    /// The group in whose span the job is; the job itself may be forgotten.
    pub(crate) fn get(&self, job: JobSeq) -> Option<&Group> {
        let (_, group) = self.0.range(..=job).next_back()?;
        group.contains(job).then_some(group)
    }

    /// The same, keeping hold of the last one found: neighbours are looked up
    /// together.
    pub(crate) fn near<'a>(
        &'a self,
        last: &mut Option<&'a Group>,
        job: JobSeq,
    ) -> Option<&'a Group> {
        if let Some(group) = last.filter(|group| group.contains(job)) {
            return Some(group);
        }
        *last = self.get(job);
        *last
    }

    /// Whether any group spans part of the `count` places from `first`.
    pub(crate) fn overlaps(&self, first: JobSeq, count: u32) -> bool {
        let last_before = self.0.range(..first.plus(u64::from(count))).next_back();
        last_before.is_some_and(|(_, group)| group.end() > first)
    }

    /// Adds jobs, to the group before them if they are like it.
    pub(crate) fn add(
        &mut self,
        first: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &Arc<JobSettings>,
        sizes: &Sizes,
    ) {
        let before = self.0.range_mut(..first).next_back();
        if let Some((_, group)) = before
            && group.end() == first
            && group.takes(queue, put_time, settings, sizes)
        {
            group.push(sizes);
            return;
        }
        let group = Group {
            first,
            count: sizes.count(),
            live: sizes.count(),
            queue,
            put_time,
            settings: Arc::clone(settings),
            sizes: match sizes {
                Sizes::Uniform { size, .. } => GroupSizes::Uniform(*size),
                Sizes::Each(each) => GroupSizes::Each(each.to_vec()),
            },
        };
        self.0.insert(first, group);
    }

    /// Takes a job in again: into its group, if that is still there.
    pub(crate) fn take_back(
        &mut self,
        job: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &Arc<JobSettings>,
        size: u32,
    ) {
        match self.0.range_mut(..=job).next_back() {
            Some((_, group)) if group.contains(job) => group.live += 1,
            _ => {
                let one = Sizes::Uniform { count: 1, size };
                self.add(job, queue, put_time, settings, &one);
            }
        }
    }

    /// Forgets a job of this group.
    pub(crate) fn forget(&mut self, job: JobSeq) {
        self.forget_after(job, |_| ());
    }

    /// Forgets a job after a last look at its group: one search for both.
    pub(crate) fn forget_after<T>(
        &mut self,
        job: JobSeq,
        look: impl FnOnce(&Group) -> T,
    ) -> Option<T> {
        let (_, group) = self.0.range_mut(..=job).next_back()?;
        if !group.contains(job) {
            return None;
        }
        let seen = look(group);
        // I5: a group knows how many of its jobs are left; the last one takes it along.
        group.live -= 1;
        if group.live == 0 {
            let first = group.first;
            self.0.remove(&first);
        }
        Some(seen)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.0.values()
    }
}

impl Sizes {
    /// How many jobs these are the sizes of.
    #[must_use]
    pub fn count(&self) -> u32 {
        match self {
            Self::Uniform { count, .. } => *count,
            // A Put is bounded far below 2^32 jobs.
            Self::Each(sizes) => u32::try_from(sizes.len()).unwrap_or(u32::MAX),
        }
    }

    /// The sizes, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (uniform, each) = match self {
            Self::Uniform { count, size } => ((*count, *size), None),
            Self::Each(sizes) => ((0, 0), Some(sizes.iter().copied())),
        };
        std::iter::repeat_n(uniform.1, usize::try_from(uniform.0).unwrap_or(0))
            .chain(each.into_iter().flatten())
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        match self {
            Self::Uniform { count, size } => u64::from(*count) * u64::from(*size),
            Self::Each(sizes) => sizes.iter().copied().map(u64::from).sum(),
        }
    }

    /// The shortest form of these sizes.
    #[must_use]
    pub fn of(sizes: &[u32]) -> Self {
        match sizes.split_first() {
            Some((size, rest)) if rest.iter().all(|other| other == size) => Self::Uniform {
                count: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
                size: *size,
            },
            _ => Self::Each(sizes.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{QueueSettings, RetryPolicy};
    use std::time::Duration;

    fn settings(priority: i32) -> Arc<JobSettings> {
        Arc::new(JobSettings {
            priority,
            ready_time: None,
            max_attempts: QueueSettings::default().max_attempts,
            retry: RetryPolicy::default(),
            reply_to: None,
            run_time_max: None,
            result_retention: Duration::ZERO,
        })
    }

    fn uniform(count: u32, size: u32) -> Sizes {
        Sizes::Uniform { count, size }
    }

    #[test]
    fn jobs_that_are_alike_and_follow_share_a_group() {
        let now = Time::from_millis(5);
        let mut groups = Groups::default();
        let mut add = |first, queue, put_time, priority, sizes: Sizes| {
            groups.add(
                JobSeq(first),
                QueueId(queue),
                put_time,
                &settings(priority),
                &sizes,
            );
            groups.0.len()
        };
        assert_eq!(add(1, 1, now, 0, uniform(10, 4)), 1);
        assert_eq!(add(11, 1, now, 0, uniform(10, 4)), 1);
        assert_eq!(
            add(21, 1, now, 0, uniform(1, 9)),
            1,
            "sizes become one each"
        );
        assert_eq!(add(22, 2, now, 0, uniform(1, 9)), 2, "another queue");
        assert_eq!(add(23, 2, now, 1, uniform(1, 9)), 3, "other settings");
        assert_eq!(
            add(24, 2, Time::from_millis(6), 1, uniform(1, 9)),
            4,
            "another time"
        );
        assert_eq!(
            add(26, 2, Time::from_millis(6), 1, uniform(1, 9)),
            5,
            "a gap"
        );
        let sizes = [1, 20, 21, 22].map(|seq| groups.get(JobSeq(seq)).unwrap().size(JobSeq(seq)));
        assert_eq!(sizes, [4, 4, 9, 9]);
        assert!(groups.get(JobSeq(25)).is_none());
        assert!(groups.overlaps(JobSeq(25), 2) && !groups.overlaps(JobSeq(25), 1));
        for seq in 2..=21 {
            groups.forget(JobSeq(seq));
        }
        assert!(groups.get(JobSeq(5)).is_some());
        groups.forget(JobSeq(1));
        assert!(groups.get(JobSeq(5)).is_none());
    }

    #[test]
    fn one_job_that_stays_does_not_keep_many_sizes() {
        let mut groups = Groups::default();
        for first in 0..5000 {
            let sizes = uniform(1, u32::try_from(first % 7).unwrap());
            let now = Time::from_millis(5);
            groups.add(JobSeq(1 + first), QueueId(1), now, &settings(0), &sizes);
        }
        assert!(groups.iter().all(|group| group.count <= SIZES_EACH_MAX));
        assert_eq!(groups.0.len(), 5);
    }
}
