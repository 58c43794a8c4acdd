//! A line: first come, first served, and anyone may leave from the middle.

use std::collections::BTreeMap;

/// Who waits, in order.
#[derive(Clone, Debug)]
pub(crate) struct Line<T> {
    places: BTreeMap<u64, T>,
}

/// Gives out places: numbers that grow and are not used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(u64);

impl Places {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
        }
    }
}

impl<T: Copy> Line<T> {
    /// Lets someone stand at a place: the latest one is the end.
    pub(crate) fn stand(&mut self, place: u64, who: T) {
        self.places.insert(place, who);
    }

    pub(crate) fn remove(&mut self, place: u64) {
        self.places.remove(&place);
    }

    /// Who is first, and where.
    pub(crate) fn first(&self) -> Option<(u64, T)> {
        let (place, who) = self.places.first_key_value()?;
        Some((*place, *who))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, place: u64) -> Option<T> {
        self.places.get(&place).copied()
    }
}
