//! Who may connect: bounds on connections in all, from one address, and without a
//! key shown yet.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::telemetry::{ConnectionLimit, GrpcMetrics};

/// A stranger that has had this much time makes place for a new one when there
/// are too many. One that is younger may be an honest client in its handshake, of
/// which there are many after a restart: they are let finish, and the new one comes
/// back by its backoff.
const STRANGER_AGE_MIN: Duration = Duration::from_secs(1);

/// Counts connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    connections_max: usize,
    per_address_max: usize,
    strangers_max: usize,
    metrics: GrpcMetrics,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
    /// By number, so the oldest is first.
    strangers: BTreeMap<u64, Stranger>,
    next: u64,
}

#[derive(Debug)]
struct Stranger {
    since: Instant,
    evict: CancellationToken,
}

impl Admission {
    pub(crate) fn new(limits: &Limits, metrics: GrpcMetrics) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            strangers_max: limits.unauthenticated_connections_max,
            metrics,
        }))
    }

    /// A place for a connection from `address`, or the limit that is reached.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Place, ConnectionLimit> {
        let network = network(address);
        let mut state = self.0.lock();
        if state.total >= self.0.connections_max {
            return Err(ConnectionLimit::Total);
        }
        if state.per_address.get(&network).copied().unwrap_or(0) >= self.0.per_address_max {
            return Err(ConnectionLimit::PerAddress);
        }
        if state.strangers.len() >= self.0.strangers_max && !self.evict_oldest(&mut state) {
            return Err(ConnectionLimit::Unauthenticated);
        }
        let number = state.next;
        state.next += 1;
        state.total += 1;
        *state.per_address.entry(network).or_default() += 1;
        let evict = CancellationToken::new();
        let stranger = Stranger {
            since: Instant::now(),
            evict: evict.clone(),
        };
        state.strangers.insert(number, stranger);
        self.0.report(&state);
        Ok(Place {
            shared: Arc::clone(&self.0),
            network,
            number,
            evict,
        })
    }

    fn evict_oldest(&self, state: &mut State) -> bool {
        let Some(oldest) = state.strangers.first_entry() else {
            return false;
        };
        if oldest.get().since.elapsed() < STRANGER_AGE_MIN {
            return false;
        }
        oldest.remove().evict.cancel();
        self.0
            .metrics
            .connection_refused(ConnectionLimit::Unauthenticated);
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The counts are changed together and nothing panics between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, state: &State) {
        self.metrics.connections(state.total, state.strangers.len());
    }
}

/// A connection's place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    network: IpAddr,
    number: u64,
    evict: CancellationToken,
}

impl Place {
    /// The connection is no stranger any more.
    pub(super) fn known(&self) {
        let mut state = self.shared.lock();
        state.strangers.remove(&self.number);
        self.shared.report(&state);
    }

    /// Resolves when the place is needed for someone else.
    pub(super) async fn evicted(&self) {
        self.evict.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.total -= 1;
        state.strangers.remove(&self.number);
        if let Some(count) = state.per_address.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                state.per_address.remove(&self.network);
            }
        }
        self.shared.report(&state);
    }
}

/// What counts as one address: of IPv6 the /64, which one subscriber has whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn admission(connections: usize, per_address: usize, strangers: usize) -> Admission {
        let mut limits = Config::default().limits;
        limits.connections_max = connections;
        limits.connections_per_address_max = per_address;
        limits.unauthenticated_connections_max = strangers;
        Admission::new(&limits, GrpcMetrics::new())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_bound_is_named_and_a_freed_place_is_free() {
        let admission = admission(3, 2, 3);
        let (a, b, c) = (
            address("10.0.0.1"),
            address("10.0.0.2"),
            address("10.0.0.3"),
        );
        let first = admission.admit(a).unwrap();
        let _second = admission.admit(a).unwrap();
        assert_eq!(admission.admit(a).err(), Some(ConnectionLimit::PerAddress));
        let _third = admission.admit(b).unwrap();
        assert_eq!(admission.admit(c).err(), Some(ConnectionLimit::Total));
        drop(first);
        assert!(admission.admit(c).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_keep_nobody_out_for_long() {
        let admission = admission(10, 10, 1);
        let a = address("10.0.0.1");
        let known = admission.admit(a).unwrap();
        known.known();
        let stranger = admission.admit(a).unwrap();
        // The one that is there is young: it may still show a key.
        assert_eq!(
            admission.admit(a).err(),
            Some(ConnectionLimit::Unauthenticated)
        );
        tokio::time::advance(STRANGER_AGE_MIN).await;
        let _next = admission.admit(a).unwrap();
        stranger.evicted().await;
        // Whoever has shown a key is never sent away for a stranger.
        assert!(!known.evict.is_cancelled());
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_address() {
        assert_eq!(
            network(address("2001:db8::1")),
            network(address("2001:db8::ffff:2"))
        );
        assert_ne!(
            network(address("2001:db8::1")),
            network(address("2001:db8:0:1::1"))
        );
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }
}
