//! A session's connection to the shard: commands in, one ordered outbox out.

use std::sync::Arc;

use leaseq_engine::command::{Command, Flow};
use leaseq_engine::effect::Grant;
use leaseq_engine::id::{LeaseRef, QueueName, SessionId, Ticket};
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal, leases_of};
use super::handle::ShardHandle;
use super::inbox::Route;
use super::signs::{Sign, Signs};
use crate::credit::Charge;

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
        /// The credit that the contents take until they are encoded.
        charge: Option<Charge>,
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
    signs: Arc<Signs>,
    /// What the shard says.
    pub(crate) events: mpsc::UnboundedReceiver<SessionEvent>,
    shard: ShardHandle,
}

impl SessionLink {
    pub(super) fn new(
        signs: Arc<Signs>,
        events: mpsc::UnboundedReceiver<SessionEvent>,
        shard: ShardHandle,
    ) -> Self {
        Self {
            signs,
            events,
            shard,
        }
    }

    /// A sender of commands that can be moved to another task.
    pub(crate) fn sender(&self) -> SessionSender {
        SessionSender {
            signs: Arc::clone(&self.signs),
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
        self.sender().close();
    }
}

/// Sends the commands of one session.
#[derive(Clone, Debug)]
pub(crate) struct SessionSender {
    signs: Arc<Signs>,
    shard: ShardHandle,
}

impl SessionSender {
    /// The session.
    pub(crate) fn id(&self) -> SessionId {
        self.signs.session
    }

    /// Sends a command whose answer arrives in the outbox, in order with
    /// everything else. The first one opens the session.
    pub(crate) fn submit(
        &self,
        build: impl FnOnce(SessionId, Ticket) -> Command,
    ) -> Result<(), Refusal> {
        let (session, ticket) = (self.id(), self.shard.ticket());
        let (command, route) = (build(session, ticket), Route::Session(ticket, session));
        match self.signs.open() {
            Some(outlet) => {
                self.shard.open_session(session, outlet, command, route)?;
                self.signs.opened();
                Ok(())
            }
            None => self.shard.send(command, route),
        }
    }

    /// Sets new flow limits.
    pub(crate) fn flow(&self, flow: Flow) {
        self.sign(Sign::Flow(flow));
    }

    /// The worker is alive.
    pub(crate) fn heartbeat(&self) {
        self.sign(Sign::Heartbeat);
    }

    /// Nothing more is delivered to the session.
    pub(crate) fn drain(&self) {
        self.sign(Sign::Drain);
    }

    /// Ends the session.
    pub(crate) fn close(&self) {
        if self.signs.is_open() {
            let session = self.id();
            self.shard.tell(Command::CloseSession { session });
        }
    }

    fn sign(&self, sign: Sign) {
        if self.signs.is_open() && self.signs.add(sign) {
            self.shard.sign(Arc::clone(&self.signs));
        }
    }
}
