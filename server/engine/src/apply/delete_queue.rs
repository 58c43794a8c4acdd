//! DeleteQueue: only one that holds nothing. With force the caller purges it first.

use crate::effect::Reply;
use crate::id::{QueueName, Ticket};
use crate::rejection::Rejection;
use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn delete_queue(&mut self, ticket: Ticket, name: &QueueName) {
        let reply = self.delete_empty(name);
        self.reply(ticket, reply);
    }

    fn delete_empty(&mut self, name: &QueueName) -> Result<Reply, Rejection> {
        let (id, queue) = self.queue_named(name)?;
        let jobs = queue.counts.total();
        if jobs > 0 {
            let queue = name.clone();
            return Err(Rejection::QueueNotEmpty { queue, jobs });
        }
        // Sessions and Gets keep standing in its line, which belongs to the name.
        self.emit(Transition::QueueDeleted { queue: id });
        Ok(Reply::Count(0))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Reply;
    use crate::rejection::Rejection;
    use crate::testing::{Desk, job, name};
    use crate::transition::JobState;

    #[test]
    fn only_an_empty_queue_goes_and_its_workers_wait_for_the_next() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        let delete = |ticket| Command::DeleteQueue {
            ticket,
            queue: name("q"),
        };
        let not_empty = Rejection::QueueNotEmpty {
            queue: name("q"),
            jobs: 1,
        };
        assert_eq!(desk.ask(delete), Err(not_empty));
        desk.purge("q", &[JobState::Ready]).unwrap();
        let waiting = desk.wait_get("q", 1);
        assert_eq!(desk.ask(delete), Ok(Reply::Count(0)));
        let gone = Rejection::QueueNotFound { queue: name("q") };
        assert_eq!(desk.ask(delete), Err(gone));
        desk.put("q", vec![job("b")]);
        assert_eq!(desk.got(waiting).unwrap().len(), 1);
    }
}
