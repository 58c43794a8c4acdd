//! Who may connect: bounds on connections in all, from one address, and without a
//! key shown yet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::strangers::{Stranger, Strangers};
use crate::config::Limits;
use crate::telemetry::{ConnectionLimit, GrpcMetrics};

/// A younger stranger makes no room for a newcomer of its own address: it may be an honest
/// client in its handshake. After a restart there are many of those, and the newcomer comes
/// back by its backoff.
const STRANGER_AGE_MIN: Duration = Duration::from_secs(1);

/// Counts the connections of one port. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    bounds: Bounds,
    /// Where the counts are shown; `None`: nowhere.
    metrics: Option<GrpcMetrics>,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    total: Bound,
    per_address: Bound,
    strangers: Bound,
    strangers_per_address: Bound,
}

/// A number of connections, and the limit that sets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bound {
    pub(super) limit: ConnectionLimit,
    pub(super) max: usize,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
    strangers: Strangers,
    next: u64,
}

impl Admission {
    /// The bounds of the gRPC port.
    pub(crate) fn grpc(limits: &Limits, metrics: GrpcMetrics) -> Self {
        let bounds = Bounds {
            total: Bound {
                limit: ConnectionLimit::Total,
                max: limits.connections_max,
            },
            per_address: Bound {
                limit: ConnectionLimit::PerAddress,
                max: limits.connections_per_address_max,
            },
            strangers: Bound {
                limit: ConnectionLimit::Strangers,
                max: limits.unauthenticated_connections_max,
            },
            strangers_per_address: Bound {
                limit: ConnectionLimit::StrangersPerAddress,
                max: limits.unauthenticated_connections_per_address_max,
            },
        };
        Self::new(bounds, Some(metrics))
    }

    /// The bounds of the admin port. All its connections are strangers, so that each of them
    /// can be made to give its place to another.
    pub(crate) fn admin(connections_max: usize) -> Self {
        let bound = |max| Bound {
            limit: ConnectionLimit::Admin,
            max,
        };
        let bounds = Bounds {
            // Those that were made to give their place away end at once and need no bound.
            total: bound(usize::MAX),
            per_address: bound(usize::MAX),
            strangers: bound(connections_max),
            strangers_per_address: bound(connections_max),
        };
        Self::new(bounds, None)
    }

    fn new(bounds: Bounds, metrics: Option<GrpcMetrics>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            bounds,
            metrics,
        }))
    }

    /// A place for a connection from `address`, or the bound that is reached. `files_left` is how
    /// many connections the limit of open files leaves room for.
    ///
    /// When there are too many strangers, the address that has the most of them makes room. So
    /// the strangers of one address keep out only newcomers of that address.
    pub(crate) fn admit(&self, address: IpAddr, files_left: usize) -> Result<Place, Bound> {
        let (network, bounds) = (network(address), &self.0.bounds);
        let mut state = self.0.lock();
        if state.total >= bounds.total.max {
            return Err(bounds.total);
        }
        if state.total >= files_left {
            let limit = ConnectionLimit::OpenFiles;
            let max = files_left;
            return Err(Bound { limit, max });
        }
        let of_address = state.per_address.get(&network).copied().unwrap_or(0);
        if of_address >= bounds.per_address.max {
            return Err(bounds.per_address);
        }
        let own = state.strangers.count(network);
        if own >= bounds.strangers_per_address.max {
            self.0
                .evict_old(&mut state, network, bounds.strangers_per_address)?;
        } else if state.strangers.len() >= bounds.strangers.max {
            match state.strangers.largest() {
                Some(largest) if state.strangers.count(largest) > own => {
                    self.0.evict(&mut state, largest, bounds.strangers);
                }
                _ => self.0.evict_old(&mut state, network, bounds.strangers)?,
            }
        }
        Ok(self.place(&mut state, network))
    }

    fn place(&self, state: &mut State, network: IpAddr) -> Place {
        let number = state.next;
        state.next += 1;
        state.total += 1;
        *state.per_address.entry(network).or_default() += 1;
        let evict = CancellationToken::new();
        let stranger = Stranger {
            since: Instant::now(),
            evict: evict.clone(),
        };
        state.strangers.insert(network, number, stranger);
        self.0.report(state);
        Place {
            shared: Arc::clone(&self.0),
            network,
            number,
            evict,
        }
    }
}
impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The counts are changed together and nothing panics between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the oldest stranger of this address if it has had its time.
    fn evict_old(&self, state: &mut State, address: IpAddr, bound: Bound) -> Result<(), Bound> {
        let oldest = state.strangers.oldest(address);
        if oldest.is_none_or(|since| since.elapsed() < STRANGER_AGE_MIN) {
            return Err(bound);
        }
        self.evict(state, address, bound);
        Ok(())
    }

    fn evict(&self, state: &mut State, address: IpAddr, bound: Bound) {
        state.strangers.evict_oldest(address);
        if let Some(metrics) = &self.metrics {
            metrics.connection_refused(bound.limit);
        }
    }

    fn report(&self, state: &State) {
        if let Some(metrics) = &self.metrics {
            metrics.connections(state.total, state.strangers.len());
        }
    }
}

/// A connection's place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    network: IpAddr,
    number: u64,
    evict: CancellationToken,
}

impl Place {
    /// The connection is no stranger any more.
    pub(super) fn known(&self) {
        let mut state = self.shared.lock();
        state.strangers.remove(self.network, self.number);
        self.shared.report(&state);
    }

    /// Resolves when the place is needed for someone else.
    pub(crate) async fn evicted(&self) {
        self.evict.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.total -= 1;
        state.strangers.remove(self.network, self.number);
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

    /// No limit of open files.
    const MANY: usize = usize::MAX;

    fn admission(connections: usize, per_address: usize, strangers: [usize; 2]) -> Admission {
        let mut limits = Config::default().limits;
        limits.connections_max = connections;
        limits.connections_per_address_max = per_address;
        limits.unauthenticated_connections_max = strangers[0];
        limits.unauthenticated_connections_per_address_max = strangers[1];
        Admission::grpc(&limits, GrpcMetrics::new())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn refused(admitted: Result<Place, Bound>) -> Option<ConnectionLimit> {
        admitted.err().map(|bound| bound.limit)
    }

    #[test]
    fn each_bound_is_named_and_a_freed_place_is_free() {
        let admission = admission(3, 2, [3, 3]);
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(address);
        let first = admission.admit(a, MANY).unwrap();
        let _second = admission.admit(a, MANY).unwrap();
        let limit = refused(admission.admit(a, MANY));
        assert_eq!(limit, Some(ConnectionLimit::PerAddress));
        let limit = refused(admission.admit(b, 2));
        assert_eq!(limit, Some(ConnectionLimit::OpenFiles));
        let _third = admission.admit(b, MANY).unwrap();
        let limit = refused(admission.admit(c, MANY));
        assert_eq!(limit, Some(ConnectionLimit::Total));
        drop(first);
        assert!(admission.admit(c, MANY).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_of_one_address_make_room_for_each_other_after_a_second() {
        let admission = admission(10, 10, [9, 1]);
        let a = address("10.0.0.1");
        let known = admission.admit(a, MANY).unwrap();
        known.known();
        let stranger = admission.admit(a, MANY).unwrap();
        // The one that is there is young: it may still show a key.
        let limit = refused(admission.admit(a, MANY));
        assert_eq!(limit, Some(ConnectionLimit::StrangersPerAddress));
        tokio::time::advance(STRANGER_AGE_MIN).await;
        let _next = admission.admit(a, MANY).unwrap();
        stranger.evicted().await;
        // A connection that has shown a key never makes room for a stranger.
        assert!(!known.evict.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_many_strangers_keeps_no_other_address_out() {
        let admission = admission(100, 100, [4, 3]);
        let [flood, other, newcomer] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(address);
        // The flood connects again as soon as it may.
        let mut floods = vec![];
        for _ in 0..3 {
            floods.push(admission.admit(flood, MANY).unwrap());
        }
        let other = admission.admit(other, MANY).unwrap();
        // None of them is a second old, and still the newcomer gets in.
        let first = admission.admit(newcomer, MANY).unwrap();
        assert!(floods[0].evict.is_cancelled());
        for _ in 0..100 {
            floods.extend(admission.admit(flood, MANY));
        }
        assert!(!first.evict.is_cancelled() && !other.evict.is_cancelled());
        // It never takes more than its share, and each eviction is of its own address.
        let admitted = floods.iter().filter(|place| !place.evict.is_cancelled());
        assert_eq!(admitted.count(), 2);
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
