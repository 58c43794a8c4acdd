//! The connections that have shown no key yet, by their address.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection that has shown no key yet.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) since: Instant,
    pub(super) evict: CancellationToken,
}

/// Strangers by address. Finding the address that has the most takes logarithmic time.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// By the number of their connection, so that the oldest is first.
    by_address: HashMap<IpAddr, BTreeMap<u64, Stranger>>,
    /// Count, oldest connection and address of each entry above, in the order of eviction.
    ranked: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
    total: usize,
}

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.total
    }

    /// How many strangers this address has.
    pub(super) fn count(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).map_or(0, BTreeMap::len)
    }

    /// The address with the most strangers; among equals, that of the oldest one.
    pub(super) fn largest(&self) -> Option<IpAddr> {
        self.ranked.last().map(|(_, _, address)| *address)
    }

    /// When the oldest stranger of this address connected.
    pub(super) fn oldest(&self, address: IpAddr) -> Option<Instant> {
        let (_, stranger) = self.by_address.get(&address)?.first_key_value()?;
        Some(stranger.since)
    }

    pub(super) fn insert(&mut self, address: IpAddr, number: u64, stranger: Stranger) {
        self.change(address, |strangers| strangers.insert(number, stranger));
    }

    /// Removes one if it still counts as a stranger.
    pub(super) fn remove(&mut self, address: IpAddr, number: u64) {
        self.change(address, |strangers| strangers.remove(&number));
    }

    /// Ends the oldest stranger of this address.
    pub(super) fn evict_oldest(&mut self, address: IpAddr) {
        let evicted = self.change(address, |strangers| strangers.pop_first());
        if let Some((_, stranger)) = evicted {
            stranger.evict.cancel();
        }
    }

    /// Changes the strangers of one address and keeps `ranked` and `total` true.
    fn change<T>(
        &mut self,
        address: IpAddr,
        change: impl FnOnce(&mut BTreeMap<u64, Stranger>) -> T,
    ) -> T {
        let strangers = self.by_address.entry(address).or_default();
        if let Some(rank) = rank(address, strangers) {
            self.ranked.remove(&rank);
        }
        self.total -= strangers.len();
        let changed = change(strangers);
        self.total += strangers.len();
        match rank(address, strangers) {
            Some(rank) => drop(self.ranked.insert(rank)),
            None => drop(self.by_address.remove(&address)),
        }
        changed
    }
}

fn rank(
    address: IpAddr,
    strangers: &BTreeMap<u64, Stranger>,
) -> Option<(usize, Reverse<u64>, IpAddr)> {
    let (oldest, _) = strangers.first_key_value()?;
    Some((strangers.len(), Reverse(*oldest), address))
}
