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
