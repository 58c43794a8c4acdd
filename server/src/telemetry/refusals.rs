//! How often calls ran into a limit, by the option that sets it. Counted where the
//! answer is worded, which is one place; for the whole process, as limits are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

static REFUSALS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

fn refusals() -> MutexGuard<'static, BTreeMap<&'static str, u64>> {
    REFUSALS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call was refused because of `limit`.
pub(crate) fn limit_refused(limit: &'static str) {
    *refusals().entry(limit).or_default() += 1;
}

/// The limits that were reached, and how often.
pub(super) fn limits_refused() -> Vec<(&'static str, u64)> {
    refusals()
        .iter()
        .map(|(limit, count)| (*limit, *count))
        .collect()
}
