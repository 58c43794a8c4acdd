//! When a batch counts as durable.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When `commit` says Ok.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncPolicy {
    /// When the disk has it: an acknowledged batch survives a power cut.
    #[default]
    Always,
    /// When the operating system has it; the disk gets it within this time. A
    /// killed process loses nothing, a power cut the last so many milliseconds.
    Interval(Duration),
    /// When the operating system has it; the disk gets it when the system likes. A
    /// killed process loses nothing, a power cut up to half a minute.
    Os,
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "interval:{}ms", interval.as_millis()),
            Self::Os => f.write_str("os"),
        }
    }
}

/// The text is no sync policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a sync policy is `always`, `interval:5ms` (1 to 10000 ms) or `os`")]
pub struct SyncPolicyError;

impl FromStr for SyncPolicy {
    type Err = SyncPolicyError;

    fn from_str(text: &str) -> Result<Self, SyncPolicyError> {
        match text {
            "always" => Ok(Self::Always),
            "os" => Ok(Self::Os),
            _ => {
                let millis = text
                    .strip_prefix("interval:")
                    .and_then(|t| t.strip_suffix("ms"));
                let millis = millis.and_then(|text| text.parse().ok());
                match millis {
                    Some(millis @ 1..=10_000) => Ok(Self::Interval(Duration::from_millis(millis))),
                    Some(_) | None => Err(SyncPolicyError),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_printed() {
        for text in ["always", "interval:5ms", "interval:10000ms", "os"] {
            assert_eq!(text.parse::<SyncPolicy>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Always",
            "interval:0ms",
            "interval:5s",
            "interval:10001ms",
            "never",
        ] {
            assert_eq!(text.parse::<SyncPolicy>(), Err(SyncPolicyError), "{text}");
        }
    }
}
