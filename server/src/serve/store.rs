//! The one place that names concrete stores.

use leaseq_store::{Journal, JournalOptions, MemoryStore, Store};

use super::error::ServeError;
use crate::config::{Config, StoreKind, SyncPolicy};

/// The store that the configuration names, owned by this process from here on.
pub(super) fn open(config: &Config) -> Result<Box<dyn Store>, ServeError> {
    match config.store {
        StoreKind::Memory => Ok(Box::new(MemoryStore::new())),
        StoreKind::Journal => {
            let options = JournalOptions {
                sync: match config.sync {
                    SyncPolicy::Always => leaseq_store::SyncPolicy::Always,
                    SyncPolicy::Interval(interval) => leaseq_store::SyncPolicy::Interval(interval),
                    SyncPolicy::Os => leaseq_store::SyncPolicy::Os,
                },
                segment_bytes: config.limits.segment_bytes,
                cache_bytes: config.limits.cache_bytes_max,
                accept_loss: config.accept_loss,
            };
            Ok(Box::new(Journal::open(&config.data, options)?))
        }
    }
}
