//! How a connection stands: a stranger, let in once, or known by a key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::admission::Place;
use super::open_call::OpenCall;
use super::resets::{ResetLimits, Resets, UnansweredCall};
use crate::credit::{Credit, NoCredit};

/// How a connection stands; in the extensions of each of its calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Standing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    peer: SocketAddr,
    place: Place,
    admitted: AtomicBool,
    /// Told when `admitted` becomes true.
    first_call: Notify,
    authenticated: AtomicBool,
    /// How many calls are open.
    calls: AtomicU32,
    /// Calls that need no key, as long as no key was shown.
    open_calls: AtomicUsize,
    credit: Credit,
    resets: Resets,
}

impl Standing {
    pub(super) fn new(peer: SocketAddr, place: Place, credit: Credit, resets: ResetLimits) -> Self {
        Self(Arc::new(Inner {
            peer,
            place,
            admitted: AtomicBool::new(false),
            first_call: Notify::new(),
            authenticated: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            open_calls: AtomicUsize::new(0),
            credit,
            resets: Resets::new(resets),
        }))
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// A call begins: how many are open now.
    pub(crate) fn call_begins(&self) -> u32 {
        self.0.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A call has ended: how many were open until now.
    pub(crate) fn call_ends(&self) -> u32 {
        self.0.calls.fetch_sub(1, Ordering::Relaxed)
    }

    /// The credit for answers on this connection.
    pub(crate) fn credit(&self) -> Credit {
        self.0.credit.clone()
    }

    /// A place for a call that needs no key. There are `max` of them on a connection that has
    /// shown none.
    pub(crate) fn open_call(&self, max: usize) -> Result<OpenCall, NoCredit> {
        let before = self.0.open_calls.fetch_add(1, Ordering::Relaxed);
        let call = OpenCall::new(self.clone());
        if before >= max && !self.0.authenticated.load(Ordering::Relaxed) {
            let limit = "limits.unauthenticated_calls";
            return Err(NoCredit { limit, max });
        }
        self.admit();
        Ok(call)
    }

    pub(super) fn open_call_ended(&self) {
        self.0.open_calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// A call begins.
    pub(super) fn unanswered_call(&self) -> UnansweredCall {
        UnansweredCall::new(self.clone())
    }

    pub(super) fn resets(&self) -> &Resets {
        &self.0.resets
    }

    /// Resolves when the client has given up too many calls.
    pub(super) async fn flooded(&self) {
        self.0.resets.flooded().await;
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.0.resets.is_flooded()
    }

    /// A call was let in that needs no key.
    fn admit(&self) {
        if !self.0.admitted.swap(true, Ordering::Relaxed) {
            self.0.first_call.notify_one();
        }
    }

    /// A call has shown a known key.
    pub(crate) fn authenticate(&self) {
        // Read before written: this runs with every call.
        if !self.0.authenticated.load(Ordering::Relaxed)
            && !self.0.authenticated.swap(true, Ordering::Relaxed)
        {
            self.0.place.known();
            self.admit();
        }
    }

    /// Resolves when a first call was let in.
    pub(super) async fn admitted(&self) {
        if !self.0.admitted.load(Ordering::Relaxed) {
            // One waiter (the connection) and a stored permit: nothing is missed.
            self.0.first_call.notified().await;
        }
    }

    /// Resolves when the place is needed for someone else.
    pub(super) async fn evicted(&self) {
        self.0.place.evicted().await;
    }
}
