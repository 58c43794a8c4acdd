//! What a key allows, as handlers see it.

use std::fmt;
use std::sync::Arc;

use leaseq_engine::id::{QueueName, Scope};
use tokio_util::sync::CancellationToken;

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Put jobs and wait for them.
    Put,
    /// Lease and settle jobs.
    Work,
    /// Look at queues, jobs and metrics.
    Read,
    /// Change queues; purge and redrive.
    Admin,
}

impl Role {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Put, Self::Work, Self::Read, Self::Admin];

    /// The word for it in keys files and messages.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Work => "work",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The role with this word.
    #[must_use]
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// Some roles.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Roles(u8);

impl Roles {
    pub(super) fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    pub(super) fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Whether nothing of `other` is missing here.
    pub(super) fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(
            roles
                .into_iter()
                .fold(0, |bits, role| bits | 1 << role as u8),
        )
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = Role::ALL.into_iter().filter(|role| self.has(*role));
        f.debug_list().entries(roles).finish()
    }
}

/// What the method of a call says to an identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// The call may go on.
    Allowed,
    /// It needs one of these roles.
    RoleMissing(&'static [Role]),
    /// There is no such method.
    UnknownMethod,
}

/// Who calls: a key's name and what it allows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Inner>);

struct Inner {
    key_name: Box<str>,
    roles: Roles,
    scope: Scope,
    revoked: CancellationToken,
}

impl Identity {
    /// Everything is allowed and nothing revoked: what every caller is on a server
    /// without keys.
    #[must_use]
    pub(crate) fn unrestricted() -> Self {
        Self::from_parts("", Roles::all(), Scope::All, CancellationToken::new())
    }

    /// A key of this name with these roles and queues, never revoked.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn new(key_name: &str, roles: &[Role], scope: Scope) -> Self {
        let roles = roles.iter().copied().collect();
        Self::from_parts(key_name, roles, scope, CancellationToken::new())
    }

    pub(super) fn from_parts(
        key_name: &str,
        roles: Roles,
        scope: Scope,
        revoked: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            key_name: key_name.into(),
            roles,
            scope,
            revoked,
        }))
    }

    /// The name of the key; empty on a server without keys.
    #[must_use]
    pub(crate) fn key_name(&self) -> &str {
        &self.0.key_name
    }

    /// Whether the key has this role. No role implies another.
    #[must_use]
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.roles.has(role)
    }

    /// Whether the key has one of these roles.
    #[must_use]
    pub(crate) fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.has(*role))
    }

    /// The queues the key may use.
    #[must_use]
    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Whether the key may use this queue.
    #[must_use]
    pub(crate) fn permits(&self, queue: &QueueName) -> bool {
        self.0.scope.permits(queue)
    }

    /// Resolves when the key has vanished, expired, or lost a role or a queue.
    /// Streams and long waits end then.
    pub(crate) fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.revoked.clone().cancelled_owned()
    }

    /// Whether [`Identity::revoked`] has resolved.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn is_revoked(&self) -> bool {
        self.0.revoked.is_cancelled()
    }

    /// Whether everything that `earlier` allowed is still allowed.
    pub(super) fn covers(&self, earlier: &Self) -> bool {
        self.0.roles.covers(earlier.0.roles) && scope_covers(&self.0.scope, &earlier.0.scope)
    }

    pub(super) fn revocation(&self) -> &CancellationToken {
        &self.0.revoked
    }

    /// The same rights, revoked together with `other`.
    pub(super) fn revoked_with(&self, other: &Self) -> Self {
        Self::from_parts(
            &self.0.key_name,
            self.0.roles,
            self.0.scope.clone(),
            other.0.revoked.clone(),
        )
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("key_name", &self.0.key_name)
            .field("roles", &self.0.roles)
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

/// Whether `now` permits every queue that `before` did. Patterns are compared as
/// they are written: a wider pattern that takes the place of a narrower one counts
/// as a loss, which costs a reconnect and nothing else.
fn scope_covers(now: &Scope, before: &Scope) -> bool {
    match (now, before) {
        (Scope::All, _) => true,
        (Scope::Patterns(_), Scope::All) => false,
        (Scope::Patterns(now), Scope::Patterns(before)) => {
            before.iter().all(|pattern| now.contains(pattern))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Scope {
        Scope::Patterns(patterns.iter().map(|p| Box::from(*p)).collect())
    }

    #[test]
    fn no_role_implies_another() {
        let admin = Identity::new("ops", &[Role::Admin], Scope::All);
        assert!(admin.has(Role::Admin));
        assert!(!admin.has(Role::Put));
        assert!(admin.has_any(&[Role::Put, Role::Admin]));
        assert!(!admin.has_any(&[]));
    }

    #[test]
    fn fewer_roles_or_queues_are_a_loss_and_more_are_none() {
        let narrow = Identity::new("k", &[Role::Put], scope(&["a.*"]));
        let wide = Identity::new("k", &[Role::Put, Role::Read], scope(&["a.*", "b"]));
        let all = Identity::new("k", &Role::ALL, Scope::All);
        assert!(wide.covers(&narrow) && all.covers(&wide) && all.covers(&narrow));
        assert!(!narrow.covers(&wide) && !wide.covers(&all));
    }
}
