//! How many connections the limit of open files leaves room for.

use std::sync::Arc;

/// Files that are neither connections nor segments of the journal: the listening sockets, the
/// log, the runtime, the lock, what is opened for a moment.
const OTHERS: usize = 64;

/// However low the limit is, so many connections are let in.
const CONNECTIONS_MIN: usize = 8;

/// The limit of open files of this process and how much of it the store takes.
#[derive(Clone)]
pub(crate) struct OpenFiles {
    /// `None`: there is no limit.
    max: Option<usize>,
    /// How many the admin port may take.
    admin_max: usize,
    store: Arc<dyn Fn() -> usize + Send + Sync>,
}

impl OpenFiles {
    /// `store` says how many files the store holds open now.
    pub(crate) fn new(
        max: Option<u64>,
        admin_max: usize,
        store: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        let max = max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        Self {
            max,
            // A quarter at most, so that a low limit still leaves some to gRPC.
            admin_max: max.map_or(admin_max, |max| admin_max.min(max / 4)),
            store: Arc::new(store),
        }
    }

    /// The limit, if there is one.
    pub(crate) fn max(&self) -> Option<usize> {
        self.max
    }

    /// How many connections to the gRPC port there may be, so that the store can always open its
    /// next file.
    pub(crate) fn for_connections(&self) -> usize {
        let Some(max) = self.max else {
            return usize::MAX;
        };
        max.saturating_sub(OTHERS + self.admin_max + (self.store)())
            .max(CONNECTIONS_MIN)
    }

    /// How many connections to the admin port there may be.
    pub(crate) fn for_admin(&self) -> usize {
        self.admin_max
    }
}

#[cfg(test)]
mod tests {
    use super::OpenFiles;

    #[test]
    fn connections_get_what_the_store_and_the_reserve_leave() {
        let left = |max, segments| OpenFiles::new(max, 64, move || segments).for_connections();
        assert_eq!(left(Some(1024), 0), 1024 - 64 - 64);
        assert_eq!(left(Some(1024), 100), 1024 - 64 - 64 - 100);
        assert_eq!(left(Some(200), 10), 200 - 64 - 50 - 10);
        assert_eq!(left(Some(80), 1000), 8);
        assert_eq!(left(None, 1000), usize::MAX);
    }
}
