//! A line: first come, first served, and anyone may leave from the middle.

use std::collections::BTreeMap;

/// Who waits, in order. A place is a number that grows and is not used again.
#[derive(Clone, Debug)]
pub(crate) struct Line<T> {
    places: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T: Copy> Line<T> {
    /// Puts someone at the end; returns the place.
    pub(crate) fn push(&mut self, who: T) -> u64 {
        let place = self.next;
        self.next += 1;
        self.places.insert(place, who);
        place
    }

    pub(crate) fn remove(&mut self, place: u64) {
        self.places.remove(&place);
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.places.first_key_value().map(|(_, who)| *who)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, place: u64) -> Option<T> {
        self.places.get(&place).copied()
    }
}
