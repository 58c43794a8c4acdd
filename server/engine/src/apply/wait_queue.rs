//! WaitQueue: waits until a queue has nothing left.

use crate::effect::{Counts, Reply};
use crate::id::{QueueId, QueueName, Ticket};
use crate::live::wait::Waiting;
use crate::time::Time;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn wait_queue(
        &mut self,
        ticket: Ticket,
        name: &QueueName,
        settled: bool,
        until: Option<Time>,
    ) {
        let queue = self.state.queues.named(name).map(|(id, _)| id);
        let (counts, done) = self.queue_waited(queue, settled);
        let (false, Some(queue), Some(until)) = (done, queue, self.waits_until(until)) else {
            return self.reply(ticket, Ok(Reply::QueueWaited { done, counts }));
        };
        match self.room_to_wait() {
            Ok(()) => self.wait(ticket, until, Waiting::Queue { queue, settled }),
            Err(rejection) => self.reply(ticket, Err(rejection)),
        }
    }

    /// The counts, and whether nothing is left. A queue that does not exist is empty.
    fn queue_waited(&self, queue: Option<QueueId>, settled: bool) -> (Counts, bool) {
        let queue = queue.and_then(|id| self.state.queues.get(id));
        let counts = queue.map(|queue| queue.counts).unwrap_or_default();
        let waiting = counts.scheduled + counts.ready;
        let left = if settled { counts.live() } else { waiting };
        (counts, left == 0)
    }

    /// Answers those whose queue is as they waited for.
    pub(crate) fn answer_queue_waits(&mut self, queue: QueueId) {
        if !self.live.waits.any_for_queue() {
            return;
        }
        for settled in [false, true] {
            let (counts, done) = self.queue_waited(Some(queue), settled);
            if !done {
                continue;
            }
            let tickets = self.live.waits.take_for_queue(queue, settled);
            self.answer_all(tickets, Reply::QueueWaited { done, counts });
        }
    }

    /// The wait is over: how the queue stands.
    pub(super) fn reply_queue_now(&mut self, ticket: Ticket, queue: QueueId, settled: bool) {
        let (counts, done) = self.queue_waited(Some(queue), settled);
        self.reply(ticket, Ok(Reply::QueueWaited { done, counts }));
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Reply;
    use crate::id::Ticket;
    use crate::testing::{Desk, complete, job, lease_of, name, secs};

    fn wait(desk: &mut Desk, settled: bool) -> Ticket {
        let ticket = desk.ticket();
        let until = Some(desk.now.after(secs(10)));
        desk.apply(Command::WaitQueue {
            ticket,
            queue: name("q"),
            settled,
            until,
        });
        ticket
    }

    fn done(desk: &mut Desk, ticket: Ticket) -> Option<bool> {
        match desk.answer(ticket)? {
            Ok(Reply::QueueWaited { done, .. }) => Some(done),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn empty_comes_before_settled() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        let (empty, settled) = (wait(&mut desk, false), wait(&mut desk, true));
        let lease = lease_of(&desk.get("q", 1)[0]);
        assert_eq!(done(&mut desk, empty), Some(true));
        assert_eq!(done(&mut desk, settled), None);
        desk.settle(lease, complete()).unwrap();
        assert_eq!(done(&mut desk, settled), Some(true));
    }

    #[test]
    fn not_in_time_is_not_an_error() {
        let mut desk = Desk::new();
        let unknown = wait(&mut desk, true);
        assert_eq!(
            done(&mut desk, unknown),
            Some(true),
            "no queue, nothing left"
        );
        desk.put("q", vec![job("a")]);
        let waiting = wait(&mut desk, true);
        desk.pass(secs(10));
        assert_eq!(done(&mut desk, waiting), Some(false));
    }
}
