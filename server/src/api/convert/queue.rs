//! Queues: their settings in, their standing out.

use std::time::Duration;

use leaseq_engine::command::SettingsChange;
use leaseq_engine::effect::QueueView;
use leaseq_engine::settings::{QueueSettings, RetryPolicy};
use leaseq_proto::v1;

use super::put::max_attempts;
use super::retry;
use super::settle::lease_duration;
use super::time::{KEEP_MAX, duration_up_to, timestamp, wire_duration};
use crate::api::fault::Invalid;
use crate::config::Limits;
use crate::shard::WallOffset;

/// The settings that an `update_mask` can name.
const SETTINGS: [&str; 5] = [
    "lease_duration",
    "max_attempts",
    "retry",
    "max_jobs",
    "result_retention",
];

/// Every setting a message has; `None`: not set there.
struct Settings {
    lease_duration: Option<Duration>,
    max_attempts: Option<u32>,
    retry: Option<RetryPolicy>,
    jobs_max: Option<u64>,
    result_retention: Option<Duration>,
}

impl Settings {
    fn of(wire: &v1::Queue, limits: &Limits) -> Result<Self, Invalid> {
        // Zero stands for the default, as unset does.
        let set = |wire: &&prost_types::Duration| (wire.seconds, wire.nanos) != (0, 0);
        Ok(Self {
            lease_duration: lease_duration(wire.lease_duration.as_ref().filter(set), limits)?,
            max_attempts: max_attempts(wire.max_attempts)?,
            retry: match &wire.retry {
                None => None,
                Some(wire) => Some(retry::policy(wire).map_err(|i| i.inside("retry"))?),
            },
            jobs_max: (wire.max_jobs > 0).then_some(wire.max_jobs),
            result_retention: match &wire.result_retention {
                None => None,
                Some(wire) => Some(duration_up_to("result_retention", wire, KEEP_MAX)?),
            },
        })
    }
}

/// The settings of a new queue.
///
/// # Errors
/// The first field that may not be as it is.
pub(crate) fn settings(wire: &v1::Queue, limits: &Limits) -> Result<QueueSettings, Invalid> {
    let said = Settings::of(wire, limits)?;
    let default = QueueSettings::default();
    Ok(QueueSettings {
        lease_duration: said.lease_duration.unwrap_or(default.lease_duration),
        max_attempts: said.max_attempts.unwrap_or(default.max_attempts),
        retry: said.retry.unwrap_or(default.retry),
        jobs_max: said.jobs_max,
        result_retention: said.result_retention.unwrap_or(default.result_retention),
    })
}

/// What an UpdateQueue changes. With a mask: what it names, and what is named but not set has its
/// default again. Without: what is set.
///
/// # Errors
/// The first field that may not be as it is; paths are as seen from the request.
pub(crate) fn change(
    wire: &v1::Queue,
    mask: Option<&prost_types::FieldMask>,
    limits: &Limits,
) -> Result<SettingsChange, Invalid> {
    let said = Settings::of(wire, limits).map_err(|invalid| invalid.inside("queue"))?;
    let paths = mask.map_or(&[][..], |mask| &mask.paths);
    for (index, path) in paths.iter().enumerate() {
        if path != "*" && !SETTINGS.contains(&path.as_str()) {
            return Err(Invalid::new(
                format!("update_mask.paths[{index}]"),
                format!("is {path:?}; it may be one of {}", SETTINGS.join(", ")),
            ));
        }
    }
    if paths.is_empty() {
        return Ok(SettingsChange {
            lease_duration: said.lease_duration,
            max_attempts: said.max_attempts,
            retry: said.retry,
            jobs_max: said.jobs_max.map(Some),
            result_retention: said.result_retention,
        });
    }
    let named = |setting: &str| paths.iter().any(|path| path == setting || path == "*");
    let default = QueueSettings::default();
    Ok(SettingsChange {
        lease_duration: named("lease_duration")
            .then(|| said.lease_duration.unwrap_or(default.lease_duration)),
        max_attempts: named("max_attempts")
            .then(|| said.max_attempts.unwrap_or(default.max_attempts)),
        retry: named("retry").then(|| said.retry.unwrap_or(default.retry)),
        jobs_max: named("max_jobs").then_some(said.jobs_max),
        result_retention: named("result_retention")
            .then(|| said.result_retention.unwrap_or(default.result_retention)),
    })
}

/// The revision in an etag; `None`: there is no etag. What is no etag of ours is a revision that
/// no queue has.
pub(crate) fn revision(etag: &str) -> Option<u64> {
    (!etag.is_empty()).then(|| etag.parse().unwrap_or(u64::MAX))
}

/// A queue as the wire has it.
pub(crate) fn queue(view: QueueView, offset: WallOffset) -> v1::Queue {
    let settings = view.settings;
    v1::Queue {
        name: view.name.as_str().to_owned(),
        lease_duration: Some(wire_duration(settings.lease_duration)),
        max_attempts: settings.max_attempts,
        retry: Some(retry::wire(&settings.retry)),
        max_jobs: settings.jobs_max.unwrap_or(0),
        result_retention: Some(wire_duration(settings.result_retention)),
        paused: view.paused,
        stats: Some(v1::QueueStats {
            scheduled_count: view.counts.scheduled,
            ready_count: view.counts.ready,
            leased_count: view.counts.leased,
            completed_count: view.counts.completed,
            dead_count: view.counts.dead,
            cancelled_count: view.counts.cancelled,
            size_bytes: view.bytes,
            oldest_ready_put_time: view.oldest_ready.map(|at| timestamp(at, offset)),
            waiting_count: view.waiting,
            waiting_for_bytes_count: view.waiting_for_bytes,
        }),
        etag: view.revision.to_string(),
        create_time: Some(timestamp(view.create_time, offset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> prost_types::FieldMask {
        prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    fn changed(wire: &v1::Queue, paths: &[&str]) -> Result<SettingsChange, Invalid> {
        change(
            wire,
            Some(&mask(paths)),
            &crate::config::Config::default().limits,
        )
    }

    #[test]
    fn without_a_mask_what_is_set_changes() {
        let wire = v1::Queue {
            max_attempts: 3,
            ..v1::Queue::default()
        };
        let expected = SettingsChange {
            max_attempts: Some(3),
            ..SettingsChange::default()
        };
        assert_eq!(changed(&wire, &[]), Ok(expected.clone()));
        assert_eq!(
            change(&wire, None, &crate::config::Config::default().limits),
            Ok(expected)
        );
    }

    #[test]
    fn a_named_setting_without_a_value_has_its_default_again() {
        let expected = SettingsChange {
            jobs_max: Some(None),
            max_attempts: Some(20),
            ..SettingsChange::default()
        };
        let wire = v1::Queue::default();
        assert_eq!(changed(&wire, &["max_jobs", "max_attempts"]), Ok(expected));
    }

    #[test]
    fn a_star_names_everything() {
        let change = changed(&v1::Queue::default(), &["*"]).expect("right");
        assert_eq!(change.lease_duration, Some(Duration::from_secs(30)));
        assert_eq!(change.jobs_max, Some(None));
        assert_eq!(change.result_retention, Some(Duration::ZERO));
    }

    #[test]
    fn an_unknown_path_is_named() {
        let refused = changed(&v1::Queue::default(), &["max_jobs", "name"]).expect_err("refused");
        assert_eq!(refused.field, "update_mask.paths[1]");
    }

    #[test]
    fn a_bad_setting_is_named_from_the_request() {
        let wire = v1::Queue {
            max_attempts: 1001,
            ..v1::Queue::default()
        };
        let refused = changed(&wire, &[]).expect_err("refused");
        assert_eq!(refused.field, "queue.max_attempts");
    }

    #[test]
    fn an_etag_of_someone_else_matches_no_revision() {
        assert_eq!(revision(""), None);
        assert_eq!(revision("7"), Some(7));
        assert_eq!(revision("W/abc"), Some(u64::MAX));
    }
}
