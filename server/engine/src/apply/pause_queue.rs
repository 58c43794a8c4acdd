//! PauseQueue: leasing stops, or goes on. Puts, settlements and held leases go on
//! either way.

use crate::effect::Reply;
use crate::id::{QueueName, Ticket};
use crate::rejection::Rejection;
use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn pause_queue(&mut self, ticket: Ticket, name: &QueueName, paused: bool) {
        let reply = self.set_paused(name, paused);
        self.reply(ticket, reply);
    }

    fn set_paused(&mut self, name: &QueueName, paused: bool) -> Result<Reply, Rejection> {
        let (id, queue) = self.queue_named(name)?;
        if queue.paused != paused {
            let set = Transition::QueueSet {
                queue: id,
                name: name.clone(),
                settings: queue.settings.clone(),
                paused,
                revision: queue.revision + 1,
                create_time: queue.create_time,
            };
            self.emit(set);
            self.touch(id);
        }
        self.queue_reply(name)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::testing::{Desk, job, name, secs};

    #[test]
    fn a_paused_queue_grants_nothing_until_it_goes_on() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        let pause = |paused| {
            move |ticket| Command::PauseQueue {
                ticket,
                queue: name("q"),
                paused,
            }
        };
        desk.ask(pause(true)).unwrap();
        assert_eq!(desk.get("q", 1), []);
        let waiting = desk.wait_get("q", 1);
        desk.put("q", vec![job("b")]);
        assert_eq!(desk.got(waiting), None);
        desk.restart(secs(1));
        assert_eq!(desk.get("q", 1), []);
        let waiting = desk.wait_get("q", 1);
        desk.ask(pause(false)).unwrap();
        assert_eq!(desk.got(waiting).unwrap().len(), 1);
    }
}
