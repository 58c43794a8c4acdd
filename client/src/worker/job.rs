//! A job as its handler sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::job::Outcome;
use crate::leased::{LeaseToken, LeasedJob};

/// A job that a [`Worker`](super::Worker) runs.
#[derive(Debug)]
pub struct Job {
    pub(super) leased: LeasedJob,
    pub(super) queue: Arc<str>,
    pub(super) cancel: CancellationToken,
    pub(super) progress: mpsc::Sender<(LeaseToken, String)>,
}

impl Job {
    /// The job's id.
    pub fn id(&self) -> &str {
        self.leased.id()
    }

    /// The queue it is from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// What the master put.
    pub fn payload(&self) -> &Bytes {
        self.leased.payload()
    }

    /// The payload as text.
    pub fn text(&self) -> Result<&str> {
        self.leased.text()
    }

    /// The payload as a value that was put with [`NewJob::json`](crate::NewJob::json).
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        self.leased.json()
    }

    /// What the master put beside the payload.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        self.leased.headers()
    }

    /// One of the headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.leased.header(name)
    }

    /// Which attempt this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.leased.attempt()
    }

    /// How many attempts the job has in all.
    pub fn max_attempts(&self) -> u32 {
        self.leased.max_attempts()
    }

    /// Whether a failure now makes the job dead.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    /// Grows with every lease the server grants and is never used twice. Send it along with writes
    /// to other systems and let them refuse a lower one than they have seen: that shuts out a
    /// worker whose lease was lost while it was not looking.
    pub fn fencing_number(&self) -> u64 {
        self.leased.fencing_number()
    }

    /// When the job was put.
    pub fn put_time(&self) -> Option<SystemTime> {
        self.leased.put_time()
    }

    /// For an outcome job: which job ended, and how.
    pub fn outcome(&self) -> Option<Outcome> {
        self.leased.outcome()
    }

    /// Says how far the work is; shown to operators. Never waits: when more is said than can be
    /// sent, some of it is left out.
    pub fn progress(&self, text: impl Into<String>) {
        let _ = self.progress.try_send((self.leased.token(), text.into()));
    }

    /// Resolves when the work is no longer wanted: the job's cancellation was asked, its lease is
    /// lost, or the worker's time to shut down is over. Stop if you can.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Whether the work is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
