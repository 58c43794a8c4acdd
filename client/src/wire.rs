//! Times and durations on the wire.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A duration as the API has it. One longer than the API can say becomes the longest it can.
pub(crate) fn duration(value: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(value.subsec_nanos()).unwrap_or(0),
    }
}

/// A duration from the server. A negative one, which no server sends, counts as unset.
pub(crate) fn from_duration(value: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(value?).ok()
}

/// A moment from the server.
pub(crate) fn from_timestamp(value: Option<prost_types::Timestamp>) -> Option<SystemTime> {
    SystemTime::try_from(value?).ok()
}

/// The moment after a wait. One too long to be counted is as good as for ever.
pub(crate) fn after(wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now + FAR)
}

/// An empty text stands for none.
pub(crate) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
