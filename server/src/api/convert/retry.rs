//! The waits between attempts.

use leaseq_engine::settings::RetryPolicy;
use leaseq_proto::v1;

use super::time::{RETRY_DELAY_MAX, duration_up_to, wire_duration};
use crate::api::fault::Invalid;

/// The largest factor from one wait to the next.
const MULTIPLIER_MAX: f64 = 10.0;

/// The policy in a message; what is not set there has the default of the API.
///
/// # Errors
/// When a value is out of its range.
pub(crate) fn policy(wire: &v1::RetryPolicy) -> Result<RetryPolicy, Invalid> {
    let mut policy = RetryPolicy::default();
    if let Some(delay) = &wire.initial_delay {
        policy.initial_delay = duration_up_to("initial_delay", delay, RETRY_DELAY_MAX)?;
    }
    if let Some(delay) = &wire.max_delay {
        policy.delay_max = duration_up_to("max_delay", delay, RETRY_DELAY_MAX)?;
    }
    if wire.multiplier != 0.0 {
        policy.multiplier_percent = percent("multiplier", wire.multiplier, 1.0, MULTIPLIER_MAX)?;
    }
    if let Some(jitter) = wire.jitter {
        policy.jitter_percent = percent("jitter", jitter, 0.0, 1.0)?;
    }
    Ok(policy)
}

/// A policy as the wire has it.
pub(crate) fn wire(policy: &RetryPolicy) -> v1::RetryPolicy {
    v1::RetryPolicy {
        initial_delay: Some(wire_duration(policy.initial_delay)),
        max_delay: Some(wire_duration(policy.delay_max)),
        multiplier: f64::from(policy.multiplier_percent) / 100.0,
        jitter: Some(f64::from(policy.jitter_percent) / 100.0),
    }
}

/// A factor in hundredths. What is no number is in no range.
fn percent(field: &str, factor: f64, min: f64, max: f64) -> Result<u32, Invalid> {
    if (min..=max).contains(&factor) {
        // 0 to 1000.
        Ok((factor * 100.0).round() as u32)
    } else {
        Err(Invalid::new(
            field,
            format!("is {factor}; it goes from {min} to {max}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn message() -> v1::RetryPolicy {
        v1::RetryPolicy::default()
    }

    #[test]
    fn what_is_not_set_has_the_default() {
        assert_eq!(policy(&message()), Ok(RetryPolicy::default()));
    }

    #[test]
    fn a_policy_goes_there_and_back() {
        let there = RetryPolicy {
            initial_delay: Duration::from_millis(1500),
            delay_max: Duration::from_secs(60),
            multiplier_percent: 150,
            jitter_percent: 0,
        };
        assert_eq!(policy(&wire(&there)), Ok(there));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let bad = [
            (
                "multiplier",
                v1::RetryPolicy {
                    multiplier: 0.5,
                    ..message()
                },
            ),
            (
                "multiplier",
                v1::RetryPolicy {
                    multiplier: f64::NAN,
                    ..message()
                },
            ),
            (
                "jitter",
                v1::RetryPolicy {
                    jitter: Some(1.1),
                    ..message()
                },
            ),
            (
                "jitter",
                v1::RetryPolicy {
                    jitter: Some(-0.1),
                    ..message()
                },
            ),
            (
                "max_delay",
                v1::RetryPolicy {
                    max_delay: Some(wire_duration(RETRY_DELAY_MAX + Duration::from_secs(1))),
                    ..message()
                },
            ),
        ];
        for (field, wire) in bad {
            assert_eq!(policy(&wire).expect_err("refused").field, field);
        }
    }
}
