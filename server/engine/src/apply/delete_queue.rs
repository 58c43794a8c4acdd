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
        // Puts may wait for room that was kept for outcomes: they create the queue again.
        self.touch(id);
        Ok(Reply::Count(0))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::effect::Reply;
    use crate::rejection::Rejection;
    use crate::settings::QueueSettings;
    use crate::testing::{Desk, job, name, secs};
    use crate::transition::JobState;

    #[test]
    fn a_put_that_waits_for_the_room_of_outcomes_is_not_forgotten() {
        let mut desk = Desk::new();
        let settings = QueueSettings {
            jobs_max: Some(1),
            ..QueueSettings::default()
        };
        desk.ask(|ticket| Command::CreateQueue {
            ticket,
            queue: name("replies"),
            settings,
        })
        .unwrap();
        let mut told = job("a");
        told.reply_to = Some(name("replies"));
        desk.put("q", vec![told]);
        let mut put = desk.put_command("replies", vec![job("b")]);
        put.until = Some(desk.now.after(secs(10)));
        let ticket = put.ticket;
        assert_eq!(desk.send_put(put), None, "the room is kept");
        let delete = |ticket| Command::DeleteQueue {
            ticket,
            queue: name("replies"),
        };
        desk.ask(delete).unwrap();
        assert!(matches!(desk.answer(ticket), Some(Ok(Reply::Put { .. }))));
    }

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
