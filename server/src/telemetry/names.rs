//! The names of all metrics, without the `_total` that the encoder adds to
//! counters. Names are promises: dashboards and alerts hold them.

use crate::shard::JobFact;

pub(super) const BUILD_INFO: &str = "leaseq_build";
pub(super) const CONDITION: &str = "leaseq_condition";
pub(super) const UPTIME_SECONDS: &str = "leaseq_uptime_seconds";

pub(super) const GRPC_STARTED: &str = "grpc_server_started";
pub(super) const GRPC_HANDLED: &str = "grpc_server_handled";
pub(super) const GRPC_HANDLING_SECONDS: &str = "grpc_server_handling_seconds";
pub(super) const GRPC_OPEN_CALLS: &str = "leaseq_grpc_open_calls";
pub(super) const GRPC_CONNECTIONS: &str = "leaseq_grpc_connections";
pub(super) const GRPC_CONNECTIONS_FULL: &str = "leaseq_grpc_connections_at_call_limit";
pub(super) const GRPC_STRANGERS: &str = "leaseq_grpc_unauthenticated_connections";
pub(super) const GRPC_CONNECTIONS_ENDED: &str = "leaseq_grpc_connections_closed";
pub(super) const GRPC_ACCEPT_ERRORS: &str = "leaseq_grpc_accept_errors";
pub(super) const GRPC_STALLED_CALLS: &str = "leaseq_grpc_stalled_calls";
pub(super) const GRPC_UNREAD_BYTES: &str = "leaseq_grpc_unread_bytes";
pub(super) const ADMIN_ACCEPT_ERRORS: &str = "leaseq_admin_accept_errors";
pub(super) const AUTH_FAILURES: &str = "leaseq_auth_failures";
pub(super) const LIMIT_REFUSALS: &str = "leaseq_limit_refusals";
pub(super) const LIMIT: &str = "leaseq_limit";
pub(super) const PANICS: &str = "leaseq_panics_caught";

pub(super) const QUEUE_JOBS: &str = "leaseq_queue_jobs";
pub(super) const QUEUE_OLDEST_READY_SECONDS: &str = "leaseq_queue_oldest_ready_seconds";
pub(super) const QUEUE_BYTES: &str = "leaseq_queue_bytes";
pub(super) const QUEUE_PAUSED: &str = "leaseq_queue_paused";
pub(super) const QUEUE_WAITING: &str = "leaseq_queue_waiting_workers";
pub(super) const QUEUE_WAITING_FOR_BYTES: &str = "leaseq_queue_workers_waiting_for_bytes";

/// The counter of what happened to jobs.
pub(super) fn jobs(fact: JobFact) -> (&'static str, &'static str) {
    match fact {
        JobFact::Put => ("leaseq_jobs_put", "Jobs put, outcomes included"),
        JobFact::Leased => ("leaseq_jobs_leased", "Leases granted"),
        JobFact::Completed => ("leaseq_jobs_completed", "Jobs completed"),
        JobFact::Failed => ("leaseq_jobs_failed", "Attempts that failed"),
        JobFact::Rejected => ("leaseq_jobs_rejected", "Jobs that a worker rejected"),
        JobFact::Released => ("leaseq_jobs_released", "Jobs given back by their worker"),
        JobFact::Expired => (
            "leaseq_jobs_expired_leases",
            "Leases that expired before a retry",
        ),
        JobFact::Dead => ("leaseq_jobs_dead", "Jobs given up"),
        JobFact::Cancelled => ("leaseq_jobs_cancelled", "Jobs cancelled"),
        JobFact::Redriven => ("leaseq_jobs_redriven", "Dead jobs made ready again"),
        JobFact::ContentLost => (
            "leaseq_jobs_content_lost",
            "Jobs whose content was damaged on the disk",
        ),
    }
}

pub(super) const REQUEST_IDS: &str = "leaseq_request_ids";
pub(super) const REQUEST_ID_WINDOW_SECONDS: &str = "leaseq_request_id_window_seconds";
pub(super) const SHARD_PENDING: &str = "leaseq_shard_pending_commands";
pub(super) const SHARD_COMMANDS: &str = "leaseq_shard_commands_decided";
pub(super) const STALLED_SECONDS: &str = "leaseq_stalled_seconds";
pub(super) const CLOCK_OFFSET_SECONDS: &str = "leaseq_clock_offset_seconds";
pub(super) const STORE_COMMITS: &str = "leaseq_store_batches_committed";
pub(super) const STORE_COMMIT_BYTES: &str = "leaseq_store_bytes_committed";
pub(super) const STORE_BATCH_COMMANDS: &str = "leaseq_store_batch_commands";
pub(super) const STORE_COMMIT_SECONDS: &str = "leaseq_store_commit_seconds";
pub(super) const STORE_SYNC_SECONDS: &str = "leaseq_store_sync_seconds";
pub(super) const STORE_BYTES: &str = "leaseq_store_bytes";
pub(super) const STORE_SEGMENTS: &str = "leaseq_store_segments";
pub(super) const STORE_SPACE: &str = "leaseq_store_space";
pub(super) const STORE_DELAYS: &str = "leaseq_store_delays";
pub(super) const DISK_FULL_REFUSALS: &str = "leaseq_disk_full_refusals";
pub(super) const STORE_SCRUBBED_BYTES: &str = "leaseq_store_scrubbed_bytes";
pub(super) const STORE_RECOVERY_SECONDS: &str = "leaseq_store_recovery_seconds";
pub(super) const STORE_TORN_BYTES: &str = "leaseq_store_torn_bytes";

/// The label of all queues beyond `metrics.queues`. No queue can have this name.
pub(super) const OTHER_QUEUES: &str = "__other__";
