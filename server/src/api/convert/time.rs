//! Durations and moments.

use std::time::Duration;

use leaseq_engine::time::Time;

use crate::api::fault::Invalid;
use crate::shard::WallOffset;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest delay of a job.
pub(crate) const DELAY_MAX: Duration = DAY.saturating_mul(365);

/// The longest wait between two attempts.
pub(crate) const RETRY_DELAY_MAX: Duration = DAY.saturating_mul(7);

/// The longest run time and retention.
pub(crate) const KEEP_MAX: Duration = DAY.saturating_mul(30);

const NANOS: i32 = 1_000_000_000;

/// The duration in `field`.
///
/// # Errors
/// When it is negative or no duration at all.
pub(crate) fn duration(field: &str, wire: &prost_types::Duration) -> Result<Duration, Invalid> {
    if wire.nanos <= -NANOS || wire.nanos >= NANOS {
        return Err(Invalid::new(
            field,
            format!("has {} nanos; they go from 0 to 999999999", wire.nanos),
        ));
    }
    match (u64::try_from(wire.seconds), u32::try_from(wire.nanos)) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Invalid::new(field, "is negative")),
    }
}

/// The duration in `field`, which is at most `max`.
///
/// # Errors
/// When it is negative, longer, or no duration at all.
pub(crate) fn duration_up_to(
    field: &str,
    wire: &prost_types::Duration,
    max: Duration,
) -> Result<Duration, Invalid> {
    let duration = duration(field, wire)?;
    if duration > max {
        let (is, max) = (text(duration), text(max));
        return Err(Invalid::new(
            field,
            format!("is {is}; at most {max} is allowed"),
        ));
    }
    Ok(duration)
}

/// The duration in `field`, which is `min` to `max`.
///
/// # Errors
/// When it is shorter, longer, or no duration at all.
pub(crate) fn duration_within(
    field: &str,
    wire: &prost_types::Duration,
    min: Duration,
    max: Duration,
) -> Result<Duration, Invalid> {
    let duration = duration_up_to(field, wire, max)?;
    if duration < min {
        let (is, min) = (text(duration), text(min));
        return Err(Invalid::new(
            field,
            format!("is {is}; at least {min} is needed"),
        ));
    }
    Ok(duration)
}

/// The moment in `field` as server time; one before 1970 is 1970.
///
/// # Errors
/// When it is no moment at all.
pub(crate) fn time(
    field: &str,
    wire: &prost_types::Timestamp,
    offset: WallOffset,
) -> Result<Time, Invalid> {
    let nanos = u32::try_from(wire.nanos)
        .ok()
        .filter(|nanos| *nanos < NANOS.unsigned_abs())
        .ok_or_else(|| {
            Invalid::new(
                field,
                format!("has {} nanos; they go from 0 to 999999999", wire.nanos),
            )
        })?;
    let seconds = u64::try_from(wire.seconds).unwrap_or(0);
    let wall = Time::from_millis(0).after(Duration::new(seconds, nanos));
    Ok(offset.server_time(wall))
}

/// A moment as the wire has it: that of the wall clock.
pub(crate) fn timestamp(time: Time, offset: WallOffset) -> prost_types::Timestamp {
    let millis = offset.wall(time).as_millis();
    prost_types::Timestamp {
        seconds: i64::try_from(millis / 1_000).unwrap_or(i64::MAX),
        // Below 1000 million.
        nanos: i32::try_from(millis % 1_000 * 1_000_000).unwrap_or(0),
    }
}

/// A duration as the wire has it.
pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

fn text(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    fn problem(result: Result<Duration, Invalid>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn durations_are_what_they_say() {
        let read = |s, n| duration("wait", &wire(s, n)).expect("right");
        assert_eq!(read(0, 0), Duration::ZERO);
        assert_eq!(read(1, 500_000_000), Duration::from_millis(1500));
    }

    #[test]
    fn durations_that_cannot_be_are_named() {
        assert_eq!(problem(duration("wait", &wire(-1, 0))), "wait is negative");
        assert_eq!(problem(duration("wait", &wire(0, -1))), "wait is negative");
        assert!(problem(duration("wait", &wire(0, NANOS))).contains("999999999"));
        assert!(problem(duration("wait", &wire(1, i32::MIN))).contains("999999999"));
    }

    #[test]
    fn bounds_are_part_of_the_sentence() {
        let second = Duration::from_secs(1);
        let minute = Duration::from_secs(60);
        let read = |s| duration_within("wait", &wire(s, 0), second, minute);
        assert_eq!(read(60).expect("right"), minute);
        assert_eq!(problem(read(61)), "wait is 1m 1s; at most 1m is allowed");
        assert_eq!(problem(read(0)), "wait is 0s; at least 1s is needed");
    }

    #[test]
    fn moments_go_there_and_back() {
        let time = Time::from_millis(1_763_899_200_123);
        for offset in [0, 3_600_000, -3_600_000].map(WallOffset::new) {
            let there = timestamp(time, offset);
            assert_eq!(super::time("t", &there, offset).expect("right"), time);
        }
    }

    #[test]
    fn a_moment_is_that_of_the_wall_clock() {
        let told = timestamp(Time::from_millis(5_000), WallOffset::new(3_600_000));
        assert_eq!(told.seconds, 3_605);
    }

    #[test]
    fn a_moment_before_1970_is_past() {
        let old = prost_types::Timestamp {
            seconds: -5,
            nanos: 0,
        };
        assert_eq!(
            super::time("t", &old, WallOffset::default()).expect("right"),
            Time::from_millis(0)
        );
    }
}
