//! Get: leases jobs of one queue, waiting for the first if need be.

use crate::command::Get;
use crate::effect::Reply;
use crate::id::Ticket;
use crate::live::Waiter;
use crate::live::wait::{Waiting, WaitingGet};
use crate::rejection::Rejection;
use crate::turn::Turn;

impl Turn<'_> {
    /// A Get stands in line like everyone; one that may not wait leaves it empty
    /// handed if its turn does not come at once.
    pub(super) fn get(&mut self, get: Get) {
        let ticket = get.ticket;
        let until = self.waits_until(get.until);
        let has_room = self.room_to_wait();
        if self.live.draining {
            return self.reply_nothing(ticket);
        }
        let place = self.live.stand(&get.queue, Waiter::Get(ticket));
        let queue = self.state.queues.named(&get.queue).map(|(id, _)| id);
        let waiting = WaitingGet {
            queue: get.queue,
            place,
            jobs_max: get.jobs_max,
            lease_duration: get.lease_duration,
            auto_complete: get.auto_complete,
            worker: get.worker,
        };
        let until_or_now = until.unwrap_or(self.now);
        self.wait(ticket, until_or_now, Waiting::Get(waiting));
        if let Some(queue) = queue {
            self.match_queue(queue);
        }
        if self.live.waits.get(ticket).is_none() {
            return;
        }
        let refused: Option<Rejection> = until.and_then(|_| has_room.err());
        if until.is_none() || refused.is_some() {
            self.stop_waiting(ticket);
            match refused {
                Some(rejection) => self.reply(ticket, Err(rejection)),
                None => self.reply_nothing(ticket),
            }
        }
    }

    /// Nothing came in time.
    pub(super) fn reply_nothing(&mut self, ticket: Ticket) {
        let reply = Reply::Got {
            grants: Vec::new(),
            expire_time: self.now,
        };
        self.reply(ticket, Ok(reply));
    }
}
