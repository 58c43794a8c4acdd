//! A queue: its settings, its counts, and which of its jobs are where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::effect::Counts;
use crate::id::{JobSeq, QueueId, QueueName};
use crate::settings::{JobSettings, QueueSettings};
use crate::state::ready::ReadyOrder;
use crate::time::Time;
use crate::transition::{End, JobState};

/// A queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) name: QueueName,
    pub(crate) settings: QueueSettings,
    pub(crate) paused: bool,
    pub(crate) revision: u64,
    pub(crate) create_time: Time,
    pub(crate) counts: Counts,
    /// Bytes of the contents of live jobs.
    pub(crate) bytes: u64,
    pub(crate) ready: ReadyOrder,
    pub(crate) scheduled: BTreeSet<JobSeq>,
    pub(crate) dead: BTreeSet<JobSeq>,
    pub(crate) completed: BTreeSet<JobSeq>,
    pub(crate) cancelled: BTreeSet<JobSeq>,
    /// What the last jobs were told: the next ones usually share it.
    last_settings: Option<Arc<JobSettings>>,
    /// Only while a trimmed journal is replayed: its jobs came before its `QueueSet`.
    pub(crate) unnamed: bool,
}

impl Queue {
    pub(crate) fn new(name: QueueName, settings: QueueSettings) -> Self {
        Self {
            name,
            settings,
            paused: false,
            revision: 1,
            create_time: Time::default(),
            counts: Counts::default(),
            bytes: 0,
            ready: ReadyOrder::default(),
            scheduled: BTreeSet::new(),
            dead: BTreeSet::new(),
            completed: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            last_settings: None,
            unnamed: false,
        }
    }

    /// One allocation for all jobs in a row that were told the same.
    pub(crate) fn share(&mut self, settings: &JobSettings) -> Arc<JobSettings> {
        if let Some(last) = &self.last_settings
            && **last == *settings
        {
            return Arc::clone(last);
        }
        let shared = Arc::new(settings.clone());
        self.last_settings = Some(Arc::clone(&shared));
        shared
    }

    /// Its jobs that have ended so and are kept.
    pub(crate) fn ended_mut(&mut self, end: End) -> &mut BTreeSet<JobSeq> {
        match end {
            End::Completed => &mut self.completed,
            End::Dead => &mut self.dead,
            End::Cancelled => &mut self.cancelled,
        }
    }

    /// How many of its jobs are in `state`.
    pub(crate) fn count_mut(&mut self, state: JobState) -> &mut u64 {
        count_mut(&mut self.counts, state)
    }
}

/// How many of them are in `state`.
pub(crate) fn count_mut(counts: &mut Counts, state: JobState) -> &mut u64 {
    match state {
        JobState::Scheduled => &mut counts.scheduled,
        JobState::Ready => &mut counts.ready,
        JobState::Leased => &mut counts.leased,
        JobState::Completed => &mut counts.completed,
        JobState::Dead => &mut counts.dead,
        JobState::Cancelled => &mut counts.cancelled,
    }
}

/// The queues by number and by name. I3: both lead to the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    by_id: FxHashMap<QueueId, Queue>,
    by_name: BTreeMap<QueueName, QueueId>,
}

impl Queues {
    pub(crate) fn get(&self, id: QueueId) -> Option<&Queue> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn named(&self, name: &QueueName) -> Option<(QueueId, &Queue)> {
        let id = self.by_name.get(name)?;
        Some((*id, self.by_id.get(id)?))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds the queue, or gives the one of this number the name it lacks.
    pub(crate) fn entry(
        &mut self,
        id: QueueId,
        name: &QueueName,
        settings: &QueueSettings,
    ) -> &mut Queue {
        let queue = self
            .by_id
            .entry(id)
            .or_insert_with(|| Queue::new(name.clone(), settings.clone()));
        if queue.unnamed {
            queue.unnamed = false;
            self.by_name.remove(&queue.name);
            queue.name = name.clone();
        }
        self.by_name.insert(name.clone(), id);
        queue
    }

    /// The queue of this number, or a place for its jobs until its name is known.
    pub(crate) fn entry_unnamed(&mut self, id: QueueId) -> &mut Queue {
        self.by_id.entry(id).or_insert_with(|| {
            let name = QueueName::new(&format!("unnamed-queue-{}", id.0));
            // The name is made of letters, dashes and digits.
            let name = name.unwrap_or_else(|error| panic!("{error}"));
            self.by_name.insert(name.clone(), id);
            let mut queue = Queue::new(name, QueueSettings::default());
            queue.unnamed = true;
            queue
        })
    }

    pub(crate) fn remove(&mut self, id: QueueId) -> Option<Queue> {
        let queue = self.by_id.remove(&id)?;
        if self.by_name.get(&queue.name) == Some(&id) {
            self.by_name.remove(&queue.name);
        }
        Some(queue)
    }

    /// By number.
    pub(crate) fn ids(&self) -> Vec<QueueId> {
        let mut ids: Vec<_> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// By name, those after `after`.
    pub(crate) fn by_name_after(
        &self,
        after: Option<&QueueName>,
    ) -> impl Iterator<Item = &Queue> + '_ {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        let ids = self.by_name.range((from, Bound::Unbounded));
        ids.filter_map(|(_, id)| self.by_id.get(id))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let same = self.by_id.len() == self.by_name.len()
            && self
                .by_name
                .iter()
                .all(|(name, id)| self.by_id.get(id).is_some_and(|queue| queue.name == *name));
        if same {
            Ok(())
        } else {
            Err("I3: queues by number and by name differ".into())
        }
    }
}
