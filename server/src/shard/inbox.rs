//! Where commands wait for the driver: a bounded list behind a lock.
//!
//! The driver takes all that is there at once, so a wake-up serves a batch and
//! not a command. Callers never block: a full inbox refuses.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use leaseq_engine::command::Command;
use leaseq_engine::id::{SessionId, Ticket};
use tokio::sync::oneshot;

use super::answer::{AnswerResult, Refusal};
use super::driver::ShardOptions;
use super::outboxes::Outlet;
use super::signs::Signs;

/// An empty list that has room for more inputs than this is thrown away.
const KEPT_CAPACITY: usize = 16_384;

/// Something for the driver.
#[derive(Debug)]
pub(super) enum Input {
    /// A command, and where its answer goes.
    Command(Command, Route),
    /// A session's outbox, before the session's first command.
    Register(SessionId, Outlet),
    /// What a session has said that has no answer.
    Signs(Arc<Signs>),
    /// Step of compaction, asked for by the committer.
    Compact(Command),
    /// Tell every session that the server shuts down, after `Command::Drain`.
    Drain,
    /// End when everything before this is durable.
    Stop,
}

/// Where an answer goes.
#[derive(Debug)]
pub(super) enum Route {
    /// Nowhere: the command has none.
    None,
    /// To a call.
    Call(Ticket, oneshot::Sender<AnswerResult>),
    /// Into a session's outbox, in order with its deliveries.
    Session(Ticket, SessionId),
}

impl Route {
    /// What the answer is known by; `None`: there is none.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::None => None,
            Self::Call(ticket, _) | Self::Session(ticket, _) => Some(*ticket),
        }
    }
}

/// The inbox. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    options: ShardOptions,
}

#[derive(Debug)]
struct State {
    inputs: VecDeque<Input>,
    /// Bytes of content in `inputs`.
    bytes: usize,
    /// What the driver took last, which it may still hold.
    taken: Taken,
    driver_waits: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Default, Debug)]
struct Taken {
    inputs: usize,
    bytes: usize,
}

#[derive(Debug)]
enum Phase {
    /// The journal is being read: callers are refused, the shard's own inputs wait.
    Recovering,
    /// Takes everything.
    Open,
    /// Takes nothing any more: why.
    Ended(Refusal),
}

impl Inbox {
    /// An inbox that refuses calls until it is opened.
    pub(super) fn new(options: ShardOptions) -> Self {
        let state = State {
            inputs: VecDeque::new(),
            bytes: 0,
            taken: Taken::default(),
            driver_waits: false,
            phase: Phase::Recovering,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            options,
        }))
    }

    /// Takes inputs from now on.
    pub(super) fn open(&self) {
        self.lock().phase = Phase::Open;
    }

    /// Takes nothing any more and forgets what is there; whoever waits for it is
    /// refused by the drop of its route. A second close changes nothing.
    pub(super) fn close(&self, why: Refusal) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Ended(_)) {
            state.phase = Phase::Ended(why);
        }
        let forgotten = std::mem::take(&mut state.inputs);
        drop(state);
        self.0.arrived.notify_all();
        // Outside the lock: a dropped route may wake a task that calls back.
        drop(forgotten);
    }

    /// Adds a command of a caller that brings `bytes` of content, and what belongs to it. The
    /// bounds hold for what waits here and what the driver has taken, together.
    pub(super) fn submit<const N: usize>(
        &self,
        inputs: [Input; N],
        bytes: usize,
    ) -> Result<(), Refusal> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Recovering => return Err(Refusal::Recovering),
            Phase::Ended(why) => return Err(why.clone()),
            Phase::Open => {}
        }
        let ShardOptions {
            pending_commands_max,
            pending_bytes_max,
            ..
        } = self.0.options;
        if state.inputs.len() + state.taken.inputs >= pending_commands_max {
            return Err(overloaded("limits.pending_commands", pending_commands_max));
        }
        let held = state.bytes + state.taken.bytes;
        if held > 0 && held + bytes > pending_bytes_max {
            return Err(overloaded("limits.pending_bytes", pending_bytes_max));
        }
        state.bytes += bytes;
        self.push(state, inputs);
        Ok(())
    }

    /// Adds a command that has no answer and gives something back (an abandoned
    /// call, a closed session): never refused for being one too many, because
    /// refusing it would leak what it gives back. There are no more of these than
    /// commands before them that took something.
    pub(super) fn tell(&self, command: Command) {
        self.add(Input::Command(command, Route::None));
    }

    /// Adds an input of the shard's own.
    pub(super) fn add(&self, input: Input) {
        let state = self.lock();
        if !matches!(state.phase, Phase::Ended(_)) {
            self.push(state, [input]);
        }
    }

    /// Swaps everything into the empty `into`, waiting for the first input at most
    /// `wait`. False: the inbox is closed.
    pub(super) fn take(&self, into: &mut VecDeque<Input>, wait: Duration) -> bool {
        let mut state = self.lock();
        if state.inputs.is_empty() && !wait.is_zero() {
            state.driver_waits = true;
            let nothing = |state: &mut State| {
                state.inputs.is_empty() && !matches!(state.phase, Phase::Ended(_))
            };
            let waited = self.0.arrived.wait_timeout_while(state, wait, nothing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.driver_waits = false;
        }
        drop(state);
        // Threads that wait for this core send their commands first: each batch costs a
        // sync. When none waits, this returns at once.
        thread::yield_now();
        state = self.lock();
        if into.capacity() > KEPT_CAPACITY {
            // After a burst, its memory is given back.
            *into = VecDeque::new();
        }
        std::mem::swap(into, &mut state.inputs);
        state.taken = Taken {
            inputs: into.len(),
            bytes: std::mem::take(&mut state.bytes),
        };
        !matches!(state.phase, Phase::Ended(_))
    }

    /// How many inputs wait here.
    pub(super) fn len(&self) -> usize {
        self.lock().inputs.len()
    }

    /// Whether nothing waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().inputs.is_empty()
    }

    fn push<const N: usize>(&self, mut state: MutexGuard<'_, State>, inputs: [Input; N]) {
        state.inputs.extend(inputs);
        let wake = state.driver_waits;
        drop(state);
        if wake {
            self.0.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the list is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn overloaded(limit: &'static str, max: usize) -> Refusal {
    Refusal::Overloaded {
        limit,
        max: u64::try_from(max).unwrap_or(u64::MAX),
    }
}
