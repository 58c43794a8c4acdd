//! GetServerInfo.

use std::time::Instant;

use leaseq_engine::time::Time;
use leaseq_proto::v1::{GetServerInfoResponse, ServerLimits};

use super::Api;
use super::convert::time::{timestamp, wire_duration};
use super::convert::wide;

/// What a server can say of itself, known from its start.
#[derive(Clone, Debug)]
pub(crate) struct ServerFacts {
    /// The version of leaseq.
    pub(crate) version: String,
    /// The store.
    pub(crate) store: String,
    /// When an answer is durable.
    pub(crate) sync: String,
    /// When it started.
    pub(crate) started: Instant,
    /// Whether a Put creates its queue.
    pub(crate) auto_create_queues: bool,
}

impl Api {
    pub(super) fn server_info(&self) -> GetServerInfoResponse {
        let (facts, limits) = (&self.facts, &self.limits);
        let (now, offset) = (self.shard.now(), self.shard.offset());
        let up = u64::try_from(facts.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let start_time = Time::from_millis(now.as_millis().saturating_sub(up));
        GetServerInfoResponse {
            version: facts.version.clone(),
            store: facts.store.clone(),
            sync: facts.sync.clone(),
            server_time: Some(timestamp(now, offset)),
            start_time: Some(timestamp(start_time, offset)),
            limits: Some(ServerLimits {
                payload_bytes_max: wide(limits.payload_bytes_max),
                batch_jobs_max: u32::try_from(limits.batch_jobs_max).unwrap_or(u32::MAX),
                request_bytes_max: wide(limits.request_bytes_max),
                wait_max: Some(wire_duration(limits.wait_max)),
            }),
            auto_create_queues: facts.auto_create_queues,
        }
    }
}
