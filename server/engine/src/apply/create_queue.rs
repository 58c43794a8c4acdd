//! CreateQueue.

use crate::effect::Reply;
use crate::id::{QueueName, Ticket};
use crate::rejection::Rejection;
use crate::settings::QueueSettings;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn create_queue_asked(
        &mut self,
        ticket: Ticket,
        name: &QueueName,
        settings: QueueSettings,
    ) {
        let reply = if self.state.queues.named(name).is_some() {
            let queue = name.clone();
            Err(Rejection::QueueExists { queue })
        } else if let Err(full) = self.queues_fit(std::slice::from_ref(name)) {
            Err(full)
        } else {
            self.create_queue(name, settings);
            self.queue_reply(name)
        };
        self.reply(ticket, reply);
    }

    /// The queue as it stands, as an answer.
    pub(super) fn queue_reply(&self, name: &QueueName) -> Result<Reply, Rejection> {
        let (_, queue) = self.queue_named(name)?;
        Ok(Reply::Queue(Box::new(self.queue_view(queue))))
    }
}
