//! Work that decided commands leave behind: queues to match and sessions to put back
//! in line.

use std::hash::Hash;

use rustc_hash::FxHashSet;

use crate::id::{QueueId, SessionId};

/// Queues and sessions that have to be looked at because something changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingWork {
    /// Queues with more jobs, more room or fewer jobs than before.
    pub(crate) queues: Distinct<QueueId>,
    /// Sessions that may be able to take more.
    pub(crate) sessions: Distinct<SessionId>,
}

impl PendingWork {
    /// With more entries a batch finishes them before it decides the next command.
    const MANY: usize = 256;

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.sessions.is_empty()
    }

    pub(crate) fn is_much(&self) -> bool {
        self.queues.len().max(self.sessions.len()) > Self::MANY
    }

    /// Takes over the work of `other`, to be done after its own.
    pub(crate) fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for queue in other.queues.order {
            self.queues.add_last(queue);
        }
        for session in other.sessions.order {
            self.sessions.add(session);
        }
    }
}

/// Values in the order in which they were added, each once. Few values are searched one
/// by one, many by hash.
#[derive(Clone, Debug)]
pub(crate) struct Distinct<T> {
    order: Vec<T>,
    /// Empty, or the same values as `order`.
    index: FxHashSet<T>,
}

/// Up to this many values a linear search is faster than a hash.
const FEW: usize = 16;

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            index: FxHashSet::default(),
        }
    }
}

impl<T: Copy + Eq + Hash> Distinct<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn contains(&self, value: T) -> bool {
        if self.index.is_empty() {
            self.order.contains(&value)
        } else {
            self.index.contains(&value)
        }
    }

    /// Adds the value at the end unless it is there.
    pub(crate) fn add(&mut self, value: T) {
        if self.order.last() != Some(&value) && self.is_new(value) {
            self.order.push(value);
        }
    }

    /// Adds the value at the start, where `pop` takes it last.
    pub(crate) fn add_last(&mut self, value: T) {
        if self.is_new(value) {
            self.order.insert(0, value);
        }
    }

    /// Adds the value at the end, where `pop` takes it next. It may be in here twice then.
    pub(crate) fn add_next(&mut self, value: T) {
        if self.order.last() != Some(&value) {
            self.is_new(value);
            self.order.push(value);
        }
    }

    fn is_new(&mut self, value: T) -> bool {
        if self.order.len() < FEW && self.index.is_empty() {
            return !self.order.contains(&value);
        }
        if self.index.is_empty() {
            self.index.extend(&self.order);
        }
        self.index.insert(value)
    }

    /// Takes the value added last.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let value = self.order.pop()?;
        self.index.remove(&value);
        Some(value)
    }

    /// Takes up to `max` values, the ones added first.
    pub(crate) fn take_first(&mut self, max: usize) -> Vec<T> {
        if max >= self.order.len() {
            self.index.clear();
            return std::mem::take(&mut self.order);
        }
        let first: Vec<T> = self.order.drain(..max).collect();
        for value in &first {
            self.index.remove(value);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_it_once_however_many_there_are() {
        for count in [3, FEW, 10 * FEW] {
            let mut values = Distinct::default();
            for round in 0..3 {
                for value in 0..count {
                    values.add(value);
                    assert!(values.contains(value), "round {round}");
                }
            }
            assert_eq!(values.len(), count);
            assert_eq!(values.take_first(2), [0, 1]);
            assert!(!values.contains(1));
            values.add_last(1);
            values.add(0);
            let popped: Vec<_> = std::iter::from_fn(|| values.pop()).collect();
            assert_eq!((popped[0], popped.last()), (0, Some(&1)));
            assert_eq!(popped.len(), count);
        }
    }
}
