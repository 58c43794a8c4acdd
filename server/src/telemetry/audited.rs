//! What a call is about: for the log line of calls that change what operators answer for.

use std::sync::{Arc, OnceLock};

/// The names in a call, as its handler finds them. In the extensions of requests that are
/// audited. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audited(Arc<Names>);

#[derive(Debug, Default)]
struct Names {
    queue: OnceLock<Box<str>>,
    job: OnceLock<Box<str>>,
}

impl Audited {
    /// The call is about this queue.
    pub(crate) fn set_queue(&self, queue: &str) {
        // A call names one; of two, the first is the one it is about.
        let _ = self.0.queue.set(queue.into());
    }

    /// The call is about this job.
    pub(crate) fn set_job(&self, job: &str) {
        let _ = self.0.job.set(job.into());
    }

    pub(super) fn queue(&self) -> Option<&str> {
        self.0.queue.get().map(AsRef::as_ref)
    }

    pub(super) fn job(&self) -> Option<&str> {
        self.0.job.get().map(AsRef::as_ref)
    }
}
