//! Which queues a run uses, and in what turn.

use std::sync::Arc;

/// One queue or many. A clone has its own turn.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    names: Arc<[String]>,
    turn: usize,
}

impl Queues {
    /// `name` itself, or `count` queues of which it is the beginning.
    pub(super) fn new(name: &str, count: usize) -> Self {
        let names = match count {
            0 | 1 => vec![name.to_owned()],
            _ => (0..count).map(|at| format!("{name}-{at}")).collect(),
        };
        Self {
            names: names.into(),
            turn: 0,
        }
    }

    /// The same queues, beginning elsewhere: for the `at`-th of `of` who take turns.
    pub(super) fn beginning_at(&self, at: usize, of: usize) -> Self {
        Self {
            names: Arc::clone(&self.names),
            turn: at * self.names.len() / of.max(1),
        }
    }

    /// The next one in turn.
    pub(super) fn next(&mut self) -> &str {
        let name = &self.names[self.turn % self.names.len()];
        self.turn += 1;
        name
    }

    /// The part of the `at`-th of `of` sessions, each of which can have `most`: together they have
    /// all, and some queues have several.
    pub(super) fn part(&self, at: usize, of: usize, most: usize) -> &[String] {
        let parts = self.names.len().div_ceil(most).max(1);
        debug_assert!(parts <= of, "too few sessions for so many queues");
        let part = at % parts;
        let bound = |part: usize| part * self.names.len() / parts;
        &self.names[bound(part)..bound(part + 1)]
    }

    /// All of them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_all_queues_together() {
        let queues = Queues::new("q", 250);
        let mut seen: Vec<&String> = (0..3).flat_map(|at| queues.part(at, 3, 100)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 250);
        assert!((0..3).all(|at| queues.part(at, 3, 100).len() <= 100));
        assert_eq!(Queues::new("q", 1).part(5, 8, 100), ["q"]);
    }

    #[test]
    fn masters_take_turns() {
        let queues = Queues::new("q", 4);
        let mut second = queues.beginning_at(1, 2);
        assert_eq!(
            [second.next().to_owned(), second.next().to_owned()],
            ["q-2", "q-3"]
        );
        assert_eq!(second.next(), "q-0");
    }
}
