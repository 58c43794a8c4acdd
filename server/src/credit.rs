//! Credit for answers: how many bytes may wait in memory for clients that do not read them.
//!
//! Each connection has a credit, within one for the whole server. A [`Charge`] takes bytes of
//! both and gives them back when it is dropped. The bytes of an answer are charged from the
//! moment they are encoded until the transport has written them to the socket; a delivery to a
//! session is also charged while it waits in the session's outbox.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::config::Limits;

const PER_CONNECTION: &str = "limits.unread_bytes_per_connection";
const IN_ALL: &str = "limits.unread_bytes";

/// The limit that leaves no credit, and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoCredit {
    pub(crate) limit: &'static str,
    pub(crate) max: usize,
}

/// The credit of the whole server.
#[derive(Clone, Debug)]
pub(crate) struct Credits(Arc<All>);

#[derive(Debug)]
struct All {
    used: AtomicUsize,
    max: usize,
    per_connection_max: usize,
    /// Streams that wait for credit. Woken together, which happens only in a shortage.
    waiting: Mutex<Vec<Waker>>,
    any_waiting: AtomicBool,
}

impl Credits {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(All {
            used: AtomicUsize::new(0),
            max: limits.unread_bytes_max,
            per_connection_max: limits.unread_bytes_per_connection_max,
            waiting: Mutex::default(),
            any_waiting: AtomicBool::new(false),
        }))
    }

    /// The credit of a new connection.
    pub(crate) fn connection(&self) -> Credit {
        Credit(Arc::new(Connection {
            used: AtomicUsize::new(0),
            all: Arc::clone(&self.0),
        }))
    }

    /// How many bytes wait for clients now.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

/// The credit of one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Credit(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    used: AtomicUsize,
    all: Arc<All>,
}

impl Credit {
    /// Takes credit. A connection that uses none gets it for an answer of any size, as far as the
    /// credit of the whole server goes.
    pub(crate) fn take(&self, bytes: usize) -> Result<Charge, NoCredit> {
        let Connection { used, all } = &*self.0;
        let charge = self.force(bytes);
        let own = used.load(Ordering::Relaxed);
        if own > bytes && own > all.per_connection_max {
            return Err(all.no_credit_per_connection());
        }
        if all.used.load(Ordering::Relaxed) > all.max {
            return Err(all.no_credit());
        }
        Ok(charge)
    }

    /// Takes credit whether or not there is any: for answers to what is done already.
    pub(crate) fn force(&self, bytes: usize) -> Charge {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        self.0.all.used.fetch_add(bytes, Ordering::Relaxed);
        Charge {
            credit: self.clone(),
            bytes,
        }
    }

    /// Whether this connection has credit left.
    pub(crate) fn of_connection(&self) -> Result<(), NoCredit> {
        let Connection { used, all } = &*self.0;
        if used.load(Ordering::Relaxed) < all.per_connection_max {
            Ok(())
        } else {
            Err(all.no_credit_per_connection())
        }
    }

    /// Whether this connection and the server have credit left.
    pub(crate) fn left(&self) -> Result<(), NoCredit> {
        let all = &self.0.all;
        self.of_connection()?;
        if all.used.load(Ordering::Relaxed) < all.max {
            Ok(())
        } else {
            Err(all.no_credit())
        }
    }

    /// Ready when there is credit left.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left().is_ok() {
            return Poll::Ready(());
        }
        let all = &self.0.all;
        let mut waiting = all.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(cx.waker().clone());
        all.any_waiting.store(true, Ordering::SeqCst);
        drop(waiting);
        // A charge may have been given back before it could see this waker.
        if self.left().is_ok() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Whether so much is used that others may have to go without.
    pub(crate) fn is_short(&self) -> bool {
        let Connection { used, all } = &*self.0;
        let more_than_half = |used: &AtomicUsize, max| used.load(Ordering::Relaxed) > max / 2;
        more_than_half(used, all.per_connection_max) || more_than_half(&all.used, all.max)
    }
}

impl All {
    fn no_credit(&self) -> NoCredit {
        NoCredit {
            limit: IN_ALL,
            max: self.max,
        }
    }

    fn no_credit_per_connection(&self) -> NoCredit {
        NoCredit {
            limit: PER_CONNECTION,
            max: self.per_connection_max,
        }
    }
}

/// Credit in use; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Charge {
    credit: Credit,
    bytes: usize,
}

impl Charge {
    /// The same bytes, which hold the charge until their last part is gone.
    pub(crate) fn on(self, bytes: Bytes) -> Bytes {
        struct Charged(
            Bytes,
            #[allow(dead_code, reason = "held for its drop")] Charge,
        );
        impl AsRef<[u8]> for Charged {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Charged(bytes, self))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Connection { used, all } = &*self.credit.0;
        used.fetch_sub(self.bytes, Ordering::Relaxed);
        all.used.fetch_sub(self.bytes, Ordering::SeqCst);
        if all.any_waiting.swap(false, Ordering::SeqCst) {
            let mut waiting = all.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let woken = std::mem::take(&mut *waiting);
            drop(waiting);
            woken.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn credits(per_connection: usize, in_all: usize) -> Credits {
        let mut limits = Config::default().limits;
        limits.unread_bytes_per_connection_max = per_connection;
        limits.unread_bytes_max = in_all;
        Credits::new(&limits)
    }

    fn limit<T>(taken: Result<T, NoCredit>) -> Option<&'static str> {
        taken.err().map(|none| none.limit)
    }

    #[test]
    fn each_bound_is_named_and_what_is_dropped_can_be_taken_again() {
        let credits = credits(100, 150);
        let (one, two) = (credits.connection(), credits.connection());
        let first = one.take(60).unwrap();
        assert_eq!(limit(one.take(60)), Some(PER_CONNECTION));
        assert_eq!(limit(two.take(100)), Some(IN_ALL));
        // What was refused holds nothing.
        assert_eq!(credits.used(), 60);
        drop(first);
        assert!(one.take(60).is_ok());
        assert_eq!(credits.used(), 0);
    }

    #[test]
    fn a_single_answer_may_be_larger_than_the_credit_of_its_connection() {
        let credits = credits(100, 150);
        let connection = credits.connection();
        let _large = connection.take(120).unwrap();
        assert_eq!(limit(connection.take(1)), Some(PER_CONNECTION));
        assert_eq!(limit(connection.of_connection()), Some(PER_CONNECTION));
    }

    #[test]
    fn bytes_are_charged_until_their_last_part_is_gone() {
        let credits = credits(100, 150);
        let charge = credits.connection().force(5);
        let mut bytes = charge.on(Bytes::from_static(b"hello"));
        let part = bytes.split_to(2);
        drop(bytes);
        assert_eq!((part.as_ref(), credits.used()), (b"he".as_ref(), 5));
        drop(part);
        assert_eq!(credits.used(), 0);
    }

    #[tokio::test]
    async fn a_stream_that_waits_for_credit_is_woken() {
        let credits = credits(100, 150);
        let connection = credits.connection();
        let all = connection.take(100).unwrap();
        let waiting = tokio::spawn(std::future::poll_fn({
            let connection = connection.clone();
            move |cx| connection.poll_left(cx)
        }));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(all);
        waiting.await.unwrap();
    }
}
