//! Which jobs of a run are live: one bit each.

/// A set of the numbers below a count fixed at the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LiveSet {
    words: Words,
    live: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Words {
    /// Up to 64 members need no memory of their own.
    One(u64),
    Many(Box<[u64]>),
}

impl LiveSet {
    /// All numbers below `count`.
    pub(super) fn full(count: u32) -> Self {
        let mut words = vec![u64::MAX; (count as usize).div_ceil(64)].into_boxed_slice();
        if let Some(last) = words.last_mut() {
            let used = count - 64 * (count.div_ceil(64) - 1);
            *last = mask(used);
        }
        Self {
            words: Words::of(words),
            live: count,
        }
    }

    /// How many there are.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    pub(super) fn contains(&self, at: u32) -> bool {
        self.words
            .as_slice()
            .get(at as usize / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Takes the numbers from `from` to below `to` out; tells how many were in.
    pub(super) fn remove(&mut self, from: u32, to: u32) -> u32 {
        let mut removed = 0;
        let mut at = from;
        while at < to {
            let upto = to.min((at / 64 + 1) * 64);
            let gone = mask(upto - at) << (at % 64);
            if let Some(word) = self.words.as_mut_slice().get_mut(at as usize / 64) {
                removed += (*word & gone).count_ones();
                *word &= !gone;
            }
            at = upto;
        }
        self.live -= removed;
        removed
    }

    /// The numbers from `from` to below `to` as a set of their own, counted from
    /// zero.
    pub(super) fn slice(&self, from: u32, to: u32) -> Self {
        let mut slice = Self::full(to - from);
        let mut gap_from = 0;
        for at in self.iter().filter(|at| (from..to).contains(at)) {
            slice.remove(gap_from, at - from);
            gap_from = at - from + 1;
        }
        slice.remove(gap_from, to - from);
        slice
    }

    /// The numbers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(self.words.as_slice()).flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

impl Words {
    fn of(words: Box<[u64]>) -> Self {
        match *words {
            [] => Self::One(0),
            [word] => Self::One(word),
            _ => Self::Many(words),
        }
    }

    fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Self::One(word) => std::slice::from_mut(word),
            Self::Many(words) => words,
        }
    }
}

/// The `count` lowest bits; 1 to 64.
fn mask(count: u32) -> u64 {
    u64::MAX >> (64 - count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            count in 1_u32..300,
            gone in prop::collection::vec((0_u32..300, 0_u32..80), 0..20),
        ) {
            let mut set = LiveSet::full(count);
            let mut model: Vec<u32> = (0..count).collect();
            for (from, len) in gone {
                let from = from.min(count);
                let to = (from + len).min(count);
                let before = model.len();
                model.retain(|at| !(from..to).contains(at));
                prop_assert_eq!(set.remove(from, to) as usize, before - model.len());
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.clone());
            prop_assert_eq!(set.live() as usize, model.len());
            prop_assert!((0..count + 70).all(|at| set.contains(at) == model.contains(&at)));
            let (from, to) = (count / 3, count - count / 4);
            let slice: Vec<u32> = set.slice(from, to).iter().map(|at| at + from).collect();
            model.retain(|at| (from..to).contains(at));
            prop_assert_eq!(slice, model);
        }
    }
}
