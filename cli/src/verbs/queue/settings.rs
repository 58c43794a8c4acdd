//! The settings of a queue as flags, for `create` and `update`.

use std::time::Duration;

use clap::Args;
use leaseq_client::{QueueSettings, RetryPolicy};

use crate::values;

/// What is not given keeps the server's default (create) or its present value (update).
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Settings {
    /// How long a lease taken by `get` lasts [server default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(super) lease_duration: Option<Duration>,
    /// How often a job may be leased before a failure makes it dead [server default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) max_attempts: Option<u32>,
    /// The wait before the first retry [server default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(super) retry_initial_delay: Option<Duration>,
    /// No retry waits longer than this [server default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(super) retry_max_delay: Option<Duration>,
    /// The factor from one wait to the next, 1 to 10 [server default: 2]
    #[arg(long, value_name = "FACTOR")]
    pub(super) retry_multiplier: Option<f64>,
    /// The part of each wait that is random, 0 to 1 [server default: 0.2]
    #[arg(long, value_name = "PART")]
    pub(super) retry_jitter: Option<f64>,
    /// How many scheduled, ready and leased jobs the queue may hold; 0: no bound
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(super) max_jobs: Option<u64>,
    /// How long completed and cancelled jobs can still be read; 0: not at all
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(super) result_retention: Option<Duration>,
}

impl From<Settings> for QueueSettings {
    fn from(settings: Settings) -> Self {
        let retry = RetryPolicy {
            initial_delay: settings.retry_initial_delay,
            max_delay: settings.retry_max_delay,
            multiplier: settings.retry_multiplier,
            jitter: settings.retry_jitter,
        };
        Self {
            lease_duration: settings.lease_duration,
            max_attempts: settings.max_attempts,
            retry: (retry != RetryPolicy::default()).then_some(retry),
            max_jobs: settings.max_jobs,
            result_retention: settings.result_retention,
        }
    }
}
