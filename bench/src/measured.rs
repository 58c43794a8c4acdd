//! What one turn of one subject gave.

use serde::{Deserialize, Serialize};

/// Named as `leaseq bench -o json` names them; what a subject cannot tell is not there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Measured {
    pub(crate) jobs: u64,
    pub(crate) seconds: f64,
    pub(crate) jobs_per_s: f64,
    pub(crate) put_p50_us: Option<f64>,
    pub(crate) put_p99_us: Option<f64>,
    pub(crate) put_max_us: Option<f64>,
    pub(crate) deliver_p50_us: Option<f64>,
    pub(crate) deliver_p99_us: Option<f64>,
    pub(crate) deliver_max_us: Option<f64>,
    pub(crate) server_cpu_us_per_job: Option<f64>,
    pub(crate) client_cpu_us_per_job: Option<f64>,
    pub(crate) server_memory_bytes: Option<u64>,
    pub(crate) written_bytes_per_job: Option<f64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Cores that were busy with something else meanwhile: a high value is a disturbed turn.
    pub(crate) others_cores: f64,
    /// Figures that only one scenario has.
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// Figures that only one scenario has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    /// Backlog: jobs waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backlog: Option<u64>,
    /// Backlog: memory more than that of the empty server, for each waiting job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes_per_job: Option<f64>,
    /// Backlog: disk for each waiting job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk_bytes_per_job: Option<f64>,
    /// Backlog: jobs put a second while it was filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fill_jobs_per_s: Option<f64>,
    /// Backlog: the life cycle beside it before there was one, on the same server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) empty_jobs_per_s: Option<f64>,
    /// Backlog: from the start after kill -9 to the first lease, when all of it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_lease_s: Option<f64>,
    /// Backlog: the same after the life cycle beside it, whose jobs are replayed, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_lease_loaded_s: Option<f64>,
    /// Idle sessions: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sessions: Option<u64>,
    /// Idle sessions: memory of the server for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes_per_session: Option<f64>,
    /// Idle sessions: processor time of the server for each in one second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us_per_session_s: Option<f64>,
}
