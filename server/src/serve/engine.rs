//! What the engine and the shard are told of the configuration.

use leaseq_engine::settings::{EngineConfig, QueueSettings, RetryPolicy};

use crate::config::{Config, QueueDefaults};
use crate::shard::ShardOptions;

pub(super) fn config(config: &Config) -> EngineConfig {
    let limits = &config.limits;
    EngineConfig {
        auto_create_queues: config.auto_create_queues,
        queue_defaults: queue_settings(&config.queue),
        queues_max: limits.queues_max,
        waiters_max: limits.waiters_max,
        sessions_max: limits.sessions_max,
        blocked_bytes_max: limits.blocked_bytes_max,
        request_id_window: limits.request_id_window,
        request_id_bytes_max: limits.request_id_bytes_max,
        releases_max: limits.releases_max,
        verdicts_max: limits.verdicts_max,
        delivery_jobs_max: limits.delivery_jobs_max,
        get_bytes_max: crate::api::get_contents_max(limits),
        step_max: EngineConfig::default().step_max,
    }
}

fn queue_settings(defaults: &QueueDefaults) -> QueueSettings {
    QueueSettings {
        lease_duration: defaults.lease_duration,
        max_attempts: defaults.max_attempts,
        retry: RetryPolicy {
            initial_delay: defaults.retry_initial_delay,
            delay_max: defaults.retry_delay_max,
            multiplier_percent: percent(defaults.retry_multiplier),
            jitter_percent: percent(defaults.retry_jitter),
        },
        jobs_max: (defaults.jobs_max > 0).then_some(defaults.jobs_max),
        result_retention: defaults.result_retention,
    }
}

/// The factor in hundredths; the table bounds it to 10.
fn percent(factor: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let percent = (factor * 100.0).round() as u32;
    percent
}

pub(super) fn options(config: &Config) -> ShardOptions {
    let usual = ShardOptions::default();
    let segment = usize::try_from(config.limits.segment_bytes).unwrap_or(usize::MAX);
    ShardOptions {
        // What a full disk keeps free is sized for batches of an eighth of a segment.
        batch_bytes_max: usual.batch_bytes_max.min(segment / 8),
        pending_commands_max: config.limits.pending_commands_max,
        pending_bytes_max: config.limits.pending_bytes_max,
        accept_clock: config.accept_clock,
        scrub_bytes_per_second: config.limits.scrub_bytes_per_second,
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_engine() {
        assert_eq!(super::config(&Config::default()), EngineConfig::default());
    }

    #[test]
    fn a_batch_takes_an_eighth_of_a_segment_at_most() {
        let batch = |segment_bytes| {
            let mut config = Config::default();
            config.limits.segment_bytes = segment_bytes;
            super::options(&config).batch_bytes_max
        };
        assert_eq!(batch(1 << 20), 128 << 10);
        assert_eq!(batch(64 << 20), 8 << 20);
        assert_eq!(batch(4 << 30), 8 << 20);
    }
}
