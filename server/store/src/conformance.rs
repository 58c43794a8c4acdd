//! What every store must do, whatever it is made of: a store is finished when this
//! suite passes on it.
//!
//! The suite panics where a store does not: it is for tests.

mod checks;
mod draft;
mod model;
mod trial;
mod workload;

pub use model::Model;
pub use trial::Trial;
pub use workload::{Workload, jobs_added};

use crate::seam::Store;

/// Something that keeps a namespace. Each call opens it again, as a restart does;
/// the store of the call before has been dropped by then.
pub type Medium = Box<dyn FnMut() -> Box<dyn Store>>;

/// Runs every check, each on a new, empty medium.
///
/// The check of compaction puts about 3 MiB: the store's segments have to be small
/// enough (64 KiB) for it to have something to remove.
///
/// # Panics
/// When the store does not do what it must.
pub fn check(fresh: &mut dyn FnMut() -> Medium) {
    for check in checks::ALL {
        check(&mut fresh());
    }
}
