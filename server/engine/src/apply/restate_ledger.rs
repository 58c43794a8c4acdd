//! RestateLedger: writes again what is not a job, a bounded part at a time.
//!
//! The cursor must stay true while queues come and go between two parts, so it
//! names the next entry instead of counting: the number of a queue, or the first
//! job of a remembered Put, with the lowest bit telling which of both.

use crate::effect::Effect;
use crate::id::{JobSeq, QueueId};
use crate::transition::Transition;
use crate::turn::Turn;

/// How many entries one part has: a millisecond's worth.
const ENTRIES_MAX: usize = 4000;

impl Turn<'_> {
    pub(super) fn restate_ledger(&mut self, from: usize, puts_before: u64) {
        let place = u64::try_from(from >> 1).unwrap_or(u64::MAX);
        let next = if from & 1 == 0 {
            self.restate_queues(place)
        } else {
            self.restate_puts(JobSeq(place), puts_before)
        };
        if next.is_none() {
            if let Some(clocks) = self.state.clocks {
                self.emit(clocks.into());
            }
            // The last: with it the store knows that the ledger is whole.
            let counters = self.state.restate_counters();
            self.emit(counters);
        }
        let restated = Effect::LedgerRestated { next, puts_before };
        self.out.effects.push(restated);
    }

    fn restate_queues(&mut self, from: u64) -> Option<usize> {
        if from == 0
            && let Some((tag, token_key)) = self.state.identity
        {
            self.emit(Transition::NamespaceCreated { tag, token_key });
        }
        let ids = self.state.queues.ids();
        let mut left = ids.into_iter().filter(|id| u64::from(id.0) >= from);
        for id in left.by_ref().take(ENTRIES_MAX) {
            self.restate_one_queue(id);
        }
        match left.next() {
            Some(next) => cursor(u64::from(next.0), 0),
            None => cursor(0, 1),
        }
    }

    fn restate_one_queue(&mut self, id: QueueId) {
        if let Some(set) = self.state.restate_queue(id) {
            self.emit(set);
        }
    }

    fn restate_puts(&mut self, from: JobSeq, puts_before: u64) -> Option<usize> {
        let mut left = self.state.remembered.written_before(puts_before, from);
        let part: Vec<_> = left
            .by_ref()
            .take(ENTRIES_MAX)
            .map(|(request_id, put)| Transition::PutRemembered {
                request_id,
                first: put.first,
                count: put.count,
                jobs: put.jobs,
                put_time: put.put_time,
            })
            .collect();
        let next = left.next().map(|(_, put)| put.first);
        drop(left);
        for put in part {
            self.emit(put);
        }
        next.and_then(|first| cursor(first.0, 1))
    }
}

fn cursor(place: u64, kind: usize) -> Option<usize> {
    usize::try_from(place).ok().map(|place| (place << 1) | kind)
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, Repeatable};
    use crate::effect::Effect;
    use crate::id::{JobsHash, RequestId};
    use crate::testing::{Desk, job, name};
    use crate::transition::Transition;

    fn repeatable(id: u128) -> Repeatable {
        Repeatable {
            id: RequestId(id),
            uuid: RequestId(id),
            jobs: JobsHash([1; 16]),
        }
    }

    /// Restates the whole ledger, with something else between two parts.
    fn restate(
        desk: &mut Desk,
        puts_before: u64,
        mut between: impl FnMut(&mut Desk),
    ) -> Vec<Transition> {
        let written = desk.journal.len();
        let mut from = Some(0);
        while let Some(at) = from {
            desk.apply(Command::RestateLedger {
                from: at,
                puts_before,
            });
            let Some(Effect::LedgerRestated { next, .. }) = desk.effects.pop() else {
                panic!("not restated");
            };
            from = next;
            between(desk);
        }
        desk.journal[written..].to_vec()
    }

    #[test]
    fn identity_queues_puts_and_counters_are_in_it() {
        let mut desk = Desk::new();
        let mut put = desk.put_command("q", vec![job("a")]);
        put.repeatable = Some(repeatable(8));
        desk.send_put(put);
        let restated = restate(&mut desk, 1, |_| {});
        assert!(matches!(
            &restated[..],
            [
                Transition::NamespaceCreated { .. },
                Transition::QueueSet { .. },
                Transition::PutRemembered { .. },
                Transition::CountersRestated { .. }
            ]
        ));
    }

    #[test]
    fn request_ids_are_restated_once_for_each_record_that_goes() {
        let mut desk = Desk::new();
        let put = |desk: &mut Desk, id| {
            let mut put = desk.put_command("q", vec![job("a")]);
            put.repeatable = Some(repeatable(id));
            desk.send_put(put);
        };
        let ids = |restated: &[Transition]| -> Vec<u128> {
            let id = |it: &Transition| {
                if let Transition::PutRemembered { request_id, .. } = it {
                    Some(request_id.0)
                } else {
                    None
                }
            };
            restated.iter().filter_map(id).collect()
        };
        (1..=3).for_each(|id| put(&mut desk, id));
        assert_eq!(ids(&restate(&mut desk, 2, |_| {})), [1, 2]);
        // Their records are the fourth and the fifth now.
        assert_eq!(ids(&restate(&mut desk, 3, |_| {})), [3]);
        assert_eq!(ids(&restate(&mut desk, 4, |_| {})), [1]);
        // What is put between two parts is in a record that stays.
        let mut once = Some(4);
        let restated = restate(&mut desk, 7, |desk| {
            if let Some(id) = once.take() {
                put(desk, id);
            }
        });
        assert_eq!(ids(&restated), [4, 1, 2, 3], "put, then restated");
    }

    #[test]
    fn nothing_is_skipped_when_queues_go_between_two_parts() {
        let mut desk = Desk::new();
        desk.checked = false; // so many queues are a slow scan
        let queues: Vec<_> = (0..2500).map(|n| name(&format!("q{n}"))).collect();
        for queue in &queues {
            let queue = queue.clone();
            let settings = crate::settings::QueueSettings::default();
            desk.ask(|ticket| Command::CreateQueue {
                ticket,
                queue,
                settings,
            })
            .unwrap();
        }
        let mut victims = queues[..10].iter();
        let restated = restate(&mut desk, 0, |desk| {
            if let Some(queue) = victims.next().cloned() {
                desk.ask(|ticket| Command::DeleteQueue { ticket, queue })
                    .unwrap();
            }
        });
        for queue in &queues[10..] {
            let there = restated
                .iter()
                .any(|set| matches!(set, Transition::QueueSet { name, .. } if name == queue));
            assert!(there, "{queue} is missing");
        }
    }
}
