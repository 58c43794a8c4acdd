//! How a connection stands: a stranger, let in once, or known by a key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

use super::admission::Place;

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
}

impl Standing {
    pub(super) fn new(peer: SocketAddr, place: Place) -> Self {
        Self(Arc::new(Inner {
            peer,
            place,
            admitted: AtomicBool::new(false),
            first_call: Notify::new(),
            authenticated: AtomicBool::new(false),
            calls: AtomicU32::new(0),
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

    /// A call was let in that needs no key.
    pub(crate) fn admit(&self) {
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
