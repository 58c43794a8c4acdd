//! A session's connection to the shard: commands in, one ordered outbox out.

use leaseq_engine::command::Command;
use leaseq_engine::effect::Grant;
use leaseq_engine::id::{LeaseRef, QueueName, SessionId, Ticket};
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal, leases_of};
use super::handle::ShardHandle;
use super::inbox::Route;

/// Something for a session's stream.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// The answer to OpenSession, Settle or Extend, in the order they were sent.
    Answer(Result<Answer, Refusal>),
    /// Jobs, with one content for each.
    Deliver {
        /// The queue they are from.
        queue: QueueName,
        /// The jobs.
        grants: Vec<Grant>,
        /// What they carry.
        contents: Vec<Content>,
        /// When the leases end if nothing more is heard.
        expire_time: Time,
    },
    /// Cancellation was asked for these.
    AskCancel {
        /// The leases.
        leases: Vec<LeaseRef>,
    },
    /// Nothing was heard from the worker in time: the stream ends.
    Expired,
    /// The server shuts down: nothing more is delivered.
    Drain,
    /// The shard has ended.
    Failed(Refusal),
}

/// A session's end of the shard. The outbox needs no bound of its own: what is in
/// it is bounded by the session's flow limits and by how many requests the stream
/// may have unanswered. Dropping the link closes the session; deliveries that were
/// still in the outbox are taken back uncounted, because no worker saw them.
#[derive(Debug)]
pub(crate) struct SessionLink {
    id: SessionId,
    /// What the shard says.
    pub(crate) events: mpsc::UnboundedReceiver<SessionEvent>,
    shard: ShardHandle,
}

impl SessionLink {
    pub(super) fn new(
        id: SessionId,
        events: mpsc::UnboundedReceiver<SessionEvent>,
        shard: ShardHandle,
    ) -> Self {
        Self { id, events, shard }
    }

    /// A sender of commands that can be moved to another task.
    pub(crate) fn sender(&self) -> SessionSender {
        SessionSender {
            id: self.id,
            shard: self.shard.clone(),
        }
    }
}

impl Drop for SessionLink {
    fn drop(&mut self) {
        self.events.close();
        while let Ok(event) = self.events.try_recv() {
            if let SessionEvent::Deliver { grants, .. } = event {
                self.shard.tell(Command::TakeBack {
                    leases: leases_of(&grants),
                });
            }
        }
        self.shard.tell(Command::CloseSession { session: self.id });
    }
}

/// Sends the commands of one session.
#[derive(Clone, Debug)]
pub(crate) struct SessionSender {
    id: SessionId,
    shard: ShardHandle,
}

impl SessionSender {
    /// The session.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Sends a command whose answer arrives in the outbox, in order with
    /// everything else.
    pub(crate) fn submit(
        &self,
        build: impl FnOnce(SessionId, Ticket) -> Command,
    ) -> Result<(), Refusal> {
        let ticket = self.shard.ticket();
        let route = Route::Session(ticket, self.id);
        self.shard.send(build(self.id, ticket), route)
    }

    /// Sends a command without an answer.
    pub(crate) fn tell(&self, command: Command) {
        self.shard.tell(command);
    }
}
