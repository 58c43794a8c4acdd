//! The keys that are valid now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::keys::{Hash, Key, hash};

/// The key is unknown, revoked or expired: which of them is nobody's business.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyRejected;

/// The keys that are valid now. Cheap to clone; all clones see a replacement.
#[derive(Clone, Debug)]
pub(crate) struct Keyring(Arc<RwLock<Arc<Ring>>>);

#[derive(Debug)]
enum Ring {
    /// There are no keys: everyone may do everything.
    Open(Identity),
    Keys(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    hash: Hash,
    expires: Option<SystemTime>,
    identity: Identity,
}

impl Entry {
    fn new(key: &Key) -> Self {
        let identity = Identity::from_parts(
            &key.name,
            key.roles,
            key.scope.clone(),
            CancellationToken::new(),
        );
        Self {
            hash: key.hash,
            expires: key.expires,
            identity,
        }
    }

    fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Keyring {
    /// No keys: every caller may do everything.
    #[must_use]
    pub(crate) fn open() -> Self {
        Self::from_ring(Ring::Open(Identity::unrestricted()))
    }

    /// These keys, and no others.
    #[must_use]
    pub(crate) fn new(keys: &[Key]) -> Self {
        Self::from_ring(Ring::Keys(keys.iter().map(Entry::new).collect()))
    }

    fn from_ring(ring: Ring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(ring))))
    }

    fn ring(&self) -> Arc<Ring> {
        // Nothing can panic while the lock is held, and a ring is replaced as a whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there are no keys.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        matches!(&*self.ring(), Ring::Open(_))
    }

    /// Who every caller is, if there are no keys.
    #[must_use]
    pub(crate) fn anyone(&self) -> Option<Identity> {
        match &*self.ring() {
            Ring::Open(identity) => Some(identity.clone()),
            Ring::Keys(_) => None,
        }
    }

    /// Who has this key. Takes as long for every wrong key as for every right one.
    ///
    /// # Errors
    /// When nobody has, any more.
    pub(crate) fn identify(
        &self,
        presented: &[u8],
        now: SystemTime,
    ) -> Result<Identity, KeyRejected> {
        let ring = self.ring();
        let entries = match &*ring {
            Ring::Open(identity) => return Ok(identity.clone()),
            Ring::Keys(entries) => entries,
        };
        let presented = hash(presented);
        let mut found = u64::MAX;
        for (at, entry) in (0u64..).zip(entries) {
            // All are compared, also after the right one.
            let same: Choice = presented.ct_eq(&entry.hash);
            found.conditional_assign(&at, same);
        }
        usize::try_from(found)
            .ok()
            .and_then(|at| entries.get(at))
            .filter(|entry| !entry.has_expired(now))
            .map(|entry| entry.identity.clone())
            .ok_or(KeyRejected)
    }

    /// Puts these keys in the place of the present ones. Who holds a key that is
    /// gone, or that may do less now, is told by [`Identity::revoked`]. Returns how
    /// many that were.
    pub(crate) fn replace(&self, keys: &[Key]) -> usize {
        let mut entries: Vec<Entry> = keys.iter().map(Entry::new).collect();
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut revoked = 0;
        if let Ring::Keys(before) = &**ring {
            for old in before {
                let new = entries.iter_mut().find(|new| new.hash == old.hash);
                match new.filter(|new| new.identity.covers(&old.identity)) {
                    // Streams of the old one live on, and end when the new one does.
                    Some(new) => new.identity = new.identity.revoked_with(&old.identity),
                    None => {
                        old.identity.revocation().cancel();
                        revoked += 1;
                    }
                }
            }
        }
        *ring = Arc::new(Ring::Keys(entries));
        revoked
    }

    /// Tells the holders of keys that have expired by `now`.
    pub(crate) fn revoke_expired(&self, now: SystemTime) {
        if let Ring::Keys(entries) = &*self.ring() {
            for entry in entries.iter().filter(|entry| entry.has_expired(now)) {
                entry.identity.revocation().cancel();
            }
        }
    }

    /// How many keys there are.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        match &*self.ring() {
            Ring::Open(_) => 0,
            Ring::Keys(entries) => entries.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::auth::Role;

    const NOW: SystemTime = UNIX_EPOCH;

    fn key(name: &str, text: &str, roles: &[Role]) -> Key {
        Key {
            name: name.into(),
            hash: hash(text.as_bytes()),
            roles: roles.iter().copied().collect(),
            scope: leaseq_engine::id::Scope::All,
            expires: None,
        }
    }

    #[test]
    fn only_the_whole_key_fits() {
        let keys = [
            key("a", "first", &[Role::Put]),
            key("b", "second", &[Role::Work]),
        ];
        let ring = Keyring::new(&keys);
        assert_eq!(ring.identify(b"second", NOW).unwrap().key_name(), "b");
        for wrong in ["", "secon", "second ", "SECOND", "third"] {
            assert_eq!(
                ring.identify(wrong.as_bytes(), NOW).err(),
                Some(KeyRejected)
            );
        }
        assert!(ring.anyone().is_none());
    }

    #[test]
    fn without_keys_everyone_may_do_everything() {
        let ring = Keyring::open();
        assert!(ring.anyone().unwrap().has(Role::Admin));
        assert!(ring.identify(b"whatever", NOW).is_ok());
    }

    #[test]
    fn what_is_taken_away_is_revoked_and_what_is_added_is_not() {
        let ring = Keyring::new(&[
            key("kept", "kept", &[Role::Put]),
            key("gone", "gone", &[Role::Put]),
            key("less", "less", &[Role::Put, Role::Work]),
            key("more", "more", &[Role::Put]),
        ]);
        let before = ["kept", "gone", "less", "more"]
            .map(|text| ring.identify(text.as_bytes(), NOW).unwrap());

        let revoked = ring.replace(&[
            key("renamed", "kept", &[Role::Put]),
            key("less", "less", &[Role::Put]),
            key("more", "more", &[Role::Put, Role::Read]),
        ]);
        assert_eq!(revoked, 2);
        assert_eq!(
            before.each_ref().map(Identity::is_revoked),
            [false, true, true, false]
        );
        assert!(ring.identify(b"gone", NOW).is_err());
        assert!(!ring.identify(b"less", NOW).unwrap().is_revoked());
        assert!(ring.identify(b"more", NOW).unwrap().has(Role::Read));

        // What was kept through one replacement is still revoked by a later one.
        ring.replace(&[]);
        assert!(before.iter().all(Identity::is_revoked));
    }

    #[test]
    fn an_expired_key_is_refused_and_its_streams_end() {
        let mut short = key("short", "short", &[Role::Put]);
        short.expires = Some(NOW + Duration::from_secs(10));
        let ring = Keyring::new(&[short]);
        let identity = ring.identify(b"short", NOW).unwrap();
        let later = NOW + Duration::from_secs(10);
        ring.revoke_expired(NOW + Duration::from_secs(9));
        assert!(!identity.is_revoked());
        assert!(ring.identify(b"short", later).is_err());
        ring.revoke_expired(later);
        assert!(identity.is_revoked());
    }
}
