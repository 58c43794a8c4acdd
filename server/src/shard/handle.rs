//! What the rest of the server holds of the shard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use leaseq_engine::command::Command;
use leaseq_engine::id::{SessionId, Ticket};
use leaseq_engine::time::Time;
use tokio::sync::{mpsc, oneshot, watch};

use super::answer::{Answer, Pending, Refusal};
use super::clock::{Clock, WallOffset};
use super::inbox::{Inbox, Input, Route};
use super::link::SessionLink;
use super::metrics::ShardMetrics;
use super::outboxes::Outlet;
use super::signs::Signs;
use super::weight::content_bytes;
use crate::credit::Credit;

/// How the shard is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// Reads its journal.
    Recovering,
    /// Takes commands.
    Serving,
    /// Grants nothing more; what is held may be settled.
    Draining,
    /// Ended as it was told to.
    Stopped,
    /// Ended because the store failed: the reason, for people.
    Failed(String),
}

/// What sets this namespace apart: part of its lease tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// The key of the check value in every lease token.
    pub(crate) token_key: [u8; 16],
}

/// A way to the shard. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ShardHandle {
    pub(super) inbox: Inbox,
    pub(super) shared: Arc<Shared>,
}

/// What the handle's clones and the shard's threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) identity: OnceLock<Identity>,
    pub(super) condition: watch::Sender<Condition>,
    pub(super) metrics: ShardMetrics,
    next_ticket: AtomicU64,
    next_session: AtomicU64,
    random: AtomicU64,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            identity: OnceLock::new(),
            condition: watch::Sender::new(Condition::Recovering),
            metrics: ShardMetrics::default(),
            next_ticket: AtomicU64::new(1),
            next_session: AtomicU64::new(1),
            // Only the jitter of retries comes from this; any start will do.
            random: AtomicU64::new(getrandom::u64().unwrap_or(1)),
        }
    }
}

impl ShardHandle {
    /// Sends a command and waits for its durable answer. Dropping the future
    /// abandons it, as with `Pending`.
    pub(crate) async fn call(
        &self,
        build: impl FnOnce(Ticket) -> Command,
    ) -> Result<Answer, Refusal> {
        self.submit(build)?.await
    }

    /// Sends a command; commands are decided in the order of these calls.
    pub(crate) fn submit(&self, build: impl FnOnce(Ticket) -> Command) -> Result<Pending, Refusal> {
        let ticket = self.ticket();
        let (sender, receiver) = oneshot::channel();
        self.send(build(ticket), Route::Call(ticket, sender))?;
        Ok(Pending {
            ticket,
            receiver,
            inbox: self.inbox.clone(),
            answered: false,
        })
    }

    /// Sends a command that has no answer.
    pub(crate) fn tell(&self, command: Command) {
        self.inbox.tell(command);
    }

    /// A fresh session id with its outbox, which takes `credit`. The session itself begins with
    /// `Command::OpenSession`; until then the shard knows nothing of it.
    #[allow(
        clippy::disallowed_methods,
        reason = "bounded by the session's flow limits and unanswered requests, see SessionLink"
    )]
    pub(crate) fn link(&self, credit: Option<Credit>) -> SessionLink {
        let id = SessionId(self.shared.next_session.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = mpsc::unbounded_channel();
        let outlet = Outlet {
            events: sender,
            credit,
        };
        SessionLink::new(Arc::new(Signs::new(id, outlet)), events, self.clone())
    }

    /// The server's time.
    pub(crate) fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// What turns the server's time into what clients are told, and back.
    pub(crate) fn offset(&self) -> WallOffset {
        self.shared.clock.offset()
    }

    /// How far the wall clock is ahead of what clients are told, in milliseconds.
    pub(crate) fn wall_ahead(&self) -> i64 {
        self.shared.clock.wall_ahead()
    }

    /// What sets this namespace apart; `None` while the journal is being read.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.shared.identity.get().copied()
    }

    /// A random number, good enough for jitter (SplitMix64, Steele et al. 2014).
    pub(crate) fn random(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.shared.random.fetch_add(GAMMA, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How the shard is.
    pub(crate) fn condition(&self) -> Condition {
        self.shared.condition.borrow().clone()
    }

    /// Follows how the shard is.
    pub(crate) fn watch(&self) -> watch::Receiver<Condition> {
        self.shared.condition.subscribe()
    }

    /// The shard's figures.
    pub(crate) fn metrics(&self) -> &ShardMetrics {
        &self.shared.metrics
    }

    /// Grants nothing more, answers every waiter, tells every session.
    pub(crate) fn drain(&self) {
        self.shared.condition.send_if_modified(|condition| {
            let serving = *condition == Condition::Serving;
            if serving {
                *condition = Condition::Draining;
            }
            serving
        });
        self.tell(Command::Drain);
        self.inbox.add(Input::Drain);
    }

    /// Ends the shard when everything sent so far is durable. The condition then
    /// is `Stopped`, or `Failed` if that could not be done.
    pub(crate) async fn stop(&self) -> Condition {
        self.inbox.add(Input::Stop);
        let ended =
            |condition: &Condition| matches!(condition, Condition::Stopped | Condition::Failed(_));
        let mut watch = self.watch();
        match watch.wait_for(ended).await {
            Ok(condition) => condition.clone(),
            Err(_) => Condition::Stopped,
        }
    }

    /// How many inputs wait for the driver.
    pub(crate) fn pending(&self) -> usize {
        self.inbox.len()
    }

    pub(super) fn send(&self, command: Command, route: Route) -> Result<(), Refusal> {
        let bytes = content_bytes(&command);
        self.submit_all([Input::Command(command, route)], bytes)
    }

    /// Sends the command that opens a session together with its outbox, or neither.
    pub(super) fn open_session(
        &self,
        session: SessionId,
        outlet: Outlet,
        command: Command,
        route: Route,
    ) -> Result<(), Refusal> {
        let register = Input::Register(session, outlet);
        self.submit_all([register, Input::Command(command, route)], 0)
    }

    /// Sends signs of a session.
    pub(super) fn sign(&self, signs: Arc<Signs>) {
        self.inbox.add(Input::Signs(signs));
    }

    fn submit_all<const N: usize>(&self, inputs: [Input; N], bytes: usize) -> Result<(), Refusal> {
        self.inbox.submit(inputs, bytes).inspect_err(|refusal| {
            if matches!(refusal, Refusal::Overloaded { .. }) {
                self.shared
                    .metrics
                    .inbox_full_refusals
                    .fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.shared.next_ticket.fetch_add(1, Ordering::Relaxed))
    }
}
