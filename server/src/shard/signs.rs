//! What a session says that has no answer: new flow limits, signs of life, that it drains.
//!
//! A worker may send any number of these, and none of them can be refused. So those of a session
//! are joined until the driver takes them: the last flow limits, and whether there was a sign of
//! life and a drain. A session has one entry in the inbox, however many requests it has sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use leaseq_engine::command::{Command, Flow};
use leaseq_engine::id::SessionId;

use super::outboxes::Outlet;

/// What the two halves of a session's stream and the driver share.
#[derive(Debug)]
pub(super) struct Signs {
    pub(super) session: SessionId,
    /// The session is known to the shard, or about to be.
    opened: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Until the session opens: where its answers and deliveries go.
    outlet: Option<Outlet>,
    /// There is an entry in the inbox.
    waits: bool,
    flow: Option<Flow>,
    heartbeat: bool,
    drain: bool,
}

/// One sign.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    Flow(Flow),
    Heartbeat,
    Drain,
}

impl Signs {
    pub(super) fn new(session: SessionId, outlet: Outlet) -> Self {
        Self {
            session,
            opened: AtomicBool::new(false),
            state: Mutex::new(State {
                outlet: Some(outlet),
                waits: false,
                flow: None,
                heartbeat: false,
                drain: false,
            }),
        }
    }

    /// The outlet, for the one command that opens the session.
    pub(super) fn open(&self) -> Option<Outlet> {
        if self.is_open() {
            return None;
        }
        self.lock().outlet.take()
    }

    /// The shard has taken the command that opens the session.
    pub(super) fn opened(&self) {
        self.opened.store(true, Ordering::Release);
    }

    pub(super) fn is_open(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// Adds a sign to those that wait. True: they need an entry in the inbox.
    pub(super) fn add(&self, sign: Sign) -> bool {
        let mut state = self.lock();
        match sign {
            Sign::Flow(flow) => state.flow = Some(flow),
            Sign::Heartbeat => state.heartbeat = true,
            Sign::Drain => state.drain = true,
        }
        !std::mem::replace(&mut state.waits, true)
    }

    /// The commands for all signs that wait.
    pub(super) fn take(&self) -> impl Iterator<Item = Command> + use<> {
        let mut state = self.lock();
        state.waits = false;
        let session = self.session;
        let heartbeat = std::mem::take(&mut state.heartbeat);
        let flow = state.flow.take();
        let drain = std::mem::take(&mut state.drain);
        let heartbeat = heartbeat.then_some(Command::Heartbeat { session });
        let flow = flow.map(|flow| Command::SetFlow { session, flow });
        let drain = drain.then_some(Command::DrainSession { session });
        heartbeat.into_iter().chain(flow).chain(drain)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
