//! `leaseq.v1.Deliver` and `leaseq.v1.GetResponse` with their jobs still encoded: what a server
//! sends and workers receive a million times a second.
//!
//! On the wire they are what the `.proto` file says; in memory each job is the bytes of a
//! `LeasedJob`. So a server writes jobs straight from what it holds, instead of building a
//! `LeasedJob` with allocations of its own only to have it encoded, and a worker reads of each as
//! much as it needs.

use bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::Timestamp;

use crate::v1::LeasedJob;

/// Jobs for the worker, all of one queue.
#[derive(Clone, PartialEq, Message)]
pub struct Deliver {
    /// The queue.
    #[prost(string, tag = "1")]
    pub queue: String,
    /// The jobs, each an encoded [`LeasedJob`].
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub jobs: Vec<Bytes>,
    /// When the leases end if nothing more is heard from the session.
    #[prost(message, optional, tag = "3")]
    pub expire_time: Option<Timestamp>,
}

/// The jobs that a Get leased; none: nothing was ready in time.
#[derive(Clone, PartialEq, Message)]
pub struct GetResponse {
    /// The jobs, each an encoded [`LeasedJob`].
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub jobs: Vec<Bytes>,
    /// When the leases end unless they are extended.
    #[prost(message, optional, tag = "2")]
    pub expire_time: Option<Timestamp>,
}

impl Deliver {
    /// The jobs, decoded.
    ///
    /// # Errors
    /// When one of them is not a `LeasedJob`.
    pub fn leased_jobs(self) -> Result<Vec<LeasedJob>, DecodeError> {
        self.jobs.into_iter().map(LeasedJob::decode).collect()
    }
}

impl GetResponse {
    /// The jobs, decoded.
    ///
    /// # Errors
    /// When one of them is not a `LeasedJob`.
    pub fn leased_jobs(self) -> Result<Vec<LeasedJob>, DecodeError> {
        self.jobs.into_iter().map(LeasedJob::decode).collect()
    }
}
