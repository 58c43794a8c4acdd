//! Verdicts and extensions.

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::command::Verdict;
use leaseq_proto::v1;
use leaseq_proto::v1::settlement::Verdict as Wire;

use super::text::error;
use super::time::{DELAY_MAX, RETRY_DELAY_MAX, duration_up_to, duration_within};
use crate::api::fault::Invalid;
use crate::config::Limits;

/// The token and the verdict of a settlement.
///
/// # Errors
/// The first field that may not be as it is.
pub(crate) fn settlement(
    wire: v1::Settlement,
    limits: &Limits,
) -> Result<(Bytes, Verdict), Invalid> {
    let verdict = match wire.verdict {
        None => {
            let problem = "is not set; send one of complete, fail, reject, release";
            return Err(Invalid::new("verdict", problem));
        }
        Some(Wire::Complete(complete)) => {
            let (bytes, max) = (complete.result.len(), limits.payload_bytes_max);
            if bytes > max {
                let (field, limit) = ("complete.result", "limits.payload_bytes");
                return Err(Invalid::too_large(field, bytes, limit, max));
            }
            Verdict::Complete {
                result: complete.result,
            }
        }
        Some(Wire::Fail(fail)) => Verdict::Fail {
            retry_delay: match &fail.retry_delay {
                None => None,
                Some(delay) => Some(duration_up_to("fail.retry_delay", delay, RETRY_DELAY_MAX)?),
            },
            error: error(fail.error),
        },
        Some(Wire::Reject(reject)) => Verdict::Reject {
            error: error(reject.error),
        },
        Some(Wire::Release(release)) => Verdict::Release {
            delay: match &release.delay {
                None => Duration::ZERO,
                Some(delay) => duration_up_to("release.delay", delay, DELAY_MAX)?,
            },
        },
    };
    Ok((wire.lease_token, verdict))
}

/// The lease duration in a request; `None`: not set.
///
/// # Errors
/// When it is too short or too long.
pub(crate) fn lease_duration(
    wire: Option<&prost_types::Duration>,
    limits: &Limits,
) -> Result<Option<Duration>, Invalid> {
    let (min, max) = (limits.lease_duration_min, limits.lease_duration_max);
    wire.map(|wire| duration_within("lease_duration", wire, min, max))
        .transpose()
}
