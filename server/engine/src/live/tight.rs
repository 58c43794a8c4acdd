//! Sessions that the first job of a queue was too large for: they could take another job
//! of that queue, if it fitted what is left of their `max_bytes`.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::id::{QueueName, SessionId};

/// By queue, with the byte room that each session had when it was passed over. The room
/// can have shrunk since, by jobs of another queue. It does not grow here: a session that
/// lets go of a job, or changes its flow limits, goes back in line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tight(FxHashMap<QueueName, BTreeSet<(u64, SessionId)>>);

impl Tight {
    pub(crate) fn insert(&mut self, queue: &QueueName, room: u64, session: SessionId) {
        self.0
            .entry(queue.clone())
            .or_default()
            .insert((room, session));
    }

    pub(crate) fn remove(&mut self, queue: &QueueName, room: u64, session: SessionId) {
        if let Some(sessions) = self.0.get_mut(queue) {
            sessions.remove(&(room, session));
            if sessions.is_empty() {
                self.0.remove(queue);
            }
        }
    }

    /// The session with the most room.
    pub(crate) fn roomiest(&self, queue: &QueueName) -> Option<(u64, SessionId)> {
        self.0.get(queue)?.last().copied()
    }

    pub(crate) fn count(&self, queue: &QueueName) -> usize {
        self.0.get(queue).map_or(0, BTreeSet::len)
    }

    /// All of them, for the scan.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&QueueName, u64, SessionId)> {
        let all = self.0.iter();
        all.flat_map(|(queue, sessions)| sessions.iter().map(move |(room, id)| (queue, *room, *id)))
    }
}
