//! The one place that builds a gRPC status: what each fault is called on the wire.
//!
//! Every status has an `ErrorInfo` with the domain `leaseq` and a stable reason, and at most one
//! more detail that helps a program to react. Messages are for people and may change.

mod unread;

use std::collections::HashMap;
use std::time::Duration;

use leaseq_engine::rejection::Rejection;
use leaseq_engine::space::Unwritten;
use leaseq_engine::transition::JobState;
use leaseq_proto::v1::{ErrorReason, ItemStatus};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::convert::text::cut;
use super::fault::{Fault, Invalid, Problem};
use crate::credit::NoCredit;
use crate::shard::Refusal;
use crate::telemetry::limit_refused;

pub(crate) use unread::{adopted, metadata_too_large, second_message};

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "leaseq";

/// When to try again while the journal is read: that takes tenths of a second, and clients wait
/// longer each time.
const RETRY_AT_ONCE: Duration = Duration::from_millis(100);

/// When to try again what a moment may change.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// When to try again what a person has to change, such as a full disk.
const RETRY_LATER: Duration = Duration::from_secs(10);

/// The longest message. What a request held may stand in it, and it travels in a header: with more
/// than a few KiB in them, clients see a broken call in place of the error.
const MESSAGE_BYTES_MAX: usize = 1 << 10;

/// The longest value of the metadata of an error, such as the path of a field.
const VALUE_BYTES_MAX: usize = 256;

/// A fault in the terms of gRPC, before it becomes a status or an item's status.
struct Explained {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Explained {
    fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: shortened(message.into(), MESSAGE_BYTES_MAX),
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn with(mut self, key: &str, value: impl ToString) -> Self {
        let value = shortened(value.to_string(), VALUE_BYTES_MAX);
        self.metadata.insert(key.to_owned(), value);
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        self.details.set_retry_info(Some(after));
        self
    }

    fn field(mut self, field: &str) -> Self {
        let description = self.message.clone();
        let field = shortened(field.to_owned(), VALUE_BYTES_MAX);
        self.details
            .add_bad_request_violation(field.as_str(), description);
        self.with("field", field)
    }

    fn resource(mut self, kind: &str, name: impl ToString) -> Self {
        let (name, message) = (name.to_string(), self.message.clone());
        self.details
            .set_resource_info(kind, name.clone(), "", message);
        self.with(kind, name)
    }

    fn precondition(mut self, subject: impl Into<String>) -> Self {
        let (kind, message) = (reason_name(self.reason), self.message.clone());
        self.details
            .add_precondition_failure_violation(kind, subject, message);
        self
    }

    fn quota(mut self, subject: impl Into<String>) -> Self {
        let message = self.message.clone();
        self.details.add_quota_failure_violation(subject, message);
        self
    }

    fn into_status(mut self) -> Status {
        let reason = reason_name(self.reason);
        self.details.set_error_info(reason, DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }

    fn into_item(self) -> ItemStatus {
        ItemStatus::new(self.code.into(), reason_name(self.reason), self.message)
    }
}

/// `text`, cut to at most `bytes_max` bytes, which then end in an ellipsis.
fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        const ELLIPSIS: &str = "…";
        cut(&mut text, bytes_max - ELLIPSIS.len());
        text.push_str(ELLIPSIS);
    }
    text
}

/// The name of a reason as it travels, without the prefix of the enum.
fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        explain(&fault).into_status()
    }
}

impl From<&Fault> for ItemStatus {
    fn from(fault: &Fault) -> Self {
        explain(fault).into_item()
    }
}

/// The status of a call that finds a limit reached.
pub(crate) fn limit_reached(NoCredit { limit, max }: NoCredit) -> Status {
    explain_limit(limit, u64::try_from(max).unwrap_or(u64::MAX)).into_status()
}

/// The status of an entry that a rule said no to.
pub(crate) fn of_entry(rejection: &Rejection) -> ItemStatus {
    explain_rejection(rejection).into_item()
}

fn explain(fault: &Fault) -> Explained {
    match fault {
        Fault::Invalid(invalid) => explain_invalid(invalid),
        Fault::Refused(refusal) => explain_refusal(refusal),
        Fault::Protocol(what) => Explained::new(
            Code::FailedPrecondition,
            ErrorReason::SessionProtocol,
            format!("the lease stream broke its protocol: {what}"),
        )
        .precondition("stream"),
        Fault::SessionExpired => Explained::new(
            Code::Aborted,
            ErrorReason::SessionExpired,
            "nothing was heard from this session in time, so its leases have ended; send \
             something every heartbeat_interval, and open a new stream now",
        ),
        Fault::Revoked => explain_revoked(),
        Fault::Bug(what) => Explained::new(
            Code::Internal,
            ErrorReason::Internal,
            format!("a bug in leaseq: {what}; please report it"),
        ),
    }
}

fn explain_invalid(invalid: &Invalid) -> Explained {
    let message = invalid.to_string();
    let explained = |reason| Explained::new(Code::InvalidArgument, reason, message);
    match &invalid.problem {
        Problem::Value(_) => explained(ErrorReason::InvalidField),
        Problem::TooLarge { limit, max, bytes } => {
            limit_refused(limit);
            explained(ErrorReason::PayloadTooLarge)
                .with("limit", limit)
                .with("max", max)
                .with("bytes", bytes)
        }
        Problem::Token => explained(ErrorReason::LeaseTokenInvalid),
    }
    .field(&invalid.field)
}

fn explain_refusal(refusal: &Refusal) -> Explained {
    let unavailable = |reason, message: &str| Explained::new(Code::Unavailable, reason, message);
    match refusal {
        Refusal::Rejected(rejection) => explain_rejection(rejection),
        Refusal::Recovering => unavailable(
            ErrorReason::Recovering,
            "the server is reading its journal; retry in a moment",
        )
        .retry(RETRY_AT_ONCE),
        Refusal::Draining => explain_rejection(&Rejection::Draining),
        Refusal::StoreFailed => unavailable(
            ErrorReason::StoreFailed,
            "the server's journal failed and the server stops; whether this call happened is not \
             known: retry it when the server is back",
        )
        .retry(RETRY_SOON),
        Refusal::ContentBusy => Explained::new(
            Code::ResourceExhausted,
            ErrorReason::LimitReached,
            "the server's machine is short of memory and could not read the content of the job; \
             retry",
        )
        .with("limit", "memory")
        .quota("memory")
        .retry(RETRY_SOON),
        Refusal::Overloaded { limit, max } => explain_limit(limit, *max),
    }
}

fn explain_limit(limit: &'static str, max: u64) -> Explained {
    limit_refused(limit);
    Explained::new(
        Code::ResourceExhausted,
        ErrorReason::LimitReached,
        Rejection::LimitReached { limit, max }.to_string(),
    )
    .with("limit", limit)
    .with("max", max)
    .quota(limit)
    .retry(RETRY_SOON)
}

fn explain_rejection(rejection: &Rejection) -> Explained {
    let said = |code, reason| Explained::new(code, reason, rejection.to_string());
    match rejection {
        Rejection::QueueNotFound { queue } => {
            said(Code::NotFound, ErrorReason::QueueNotFound).resource("queue", queue)
        }
        Rejection::JobNotFound { job } => {
            said(Code::NotFound, ErrorReason::JobNotFound).resource("job", job)
        }
        Rejection::QueueExists { queue } => {
            said(Code::AlreadyExists, ErrorReason::QueueExists).resource("queue", queue)
        }
        Rejection::QueueNotEmpty { queue, jobs } => {
            said(Code::FailedPrecondition, ErrorReason::QueueNotEmpty)
                .with("queue", queue)
                .with("jobs", jobs)
                .precondition(queue.as_str())
        }
        Rejection::RevisionMismatch { queue } => {
            said(Code::Aborted, ErrorReason::EtagMismatch).with("queue", queue)
        }
        Rejection::QueueFull { queue, jobs_max }
        | Rejection::ReplyQueueFull { queue, jobs_max } => {
            said(Code::ResourceExhausted, ErrorReason::QueueFull)
                .with("queue", queue)
                .with("max_jobs", jobs_max)
                .quota(queue.as_str())
                .retry(RETRY_SOON)
        }
        Rejection::QueueNotPermitted { queue } => {
            said(Code::PermissionDenied, ErrorReason::QueueNotPermitted).with("queue", queue)
        }
        Rejection::RequestIdReused => {
            said(Code::InvalidArgument, ErrorReason::RequestIdReused).field("request_id")
        }
        Rejection::TokenInvalid => {
            said(Code::InvalidArgument, ErrorReason::LeaseTokenInvalid).field("lease_token")
        }
        Rejection::LeaseLost { state } => said(Code::FailedPrecondition, ErrorReason::LeaseLost)
            .with("state", state.map_or("GONE", state_name))
            .precondition("lease"),
        Rejection::AlreadySettled { verdict } => {
            said(Code::FailedPrecondition, ErrorReason::AlreadySettled)
                .with("verdict", format!("{verdict:?}").to_uppercase())
                .precondition("lease")
        }
        Rejection::JobEnded { job, state } => said(Code::FailedPrecondition, ErrorReason::JobEnded)
            .with("job", job)
            .with("state", state_name(*state))
            .precondition(job.to_string()),
        Rejection::ContentDamaged { job } => {
            said(Code::DataLoss, ErrorReason::ContentDamaged).resource("job", job)
        }
        Rejection::SessionNotFound => said(Code::Aborted, ErrorReason::SessionExpired),
        Rejection::LimitReached { limit, max } => explain_limit(limit, *max),
        Rejection::DiskFull { what } => {
            let is_new = matches!(what, Unwritten::Jobs | Unwritten::Queues);
            let after = if is_new { RETRY_LATER } else { RETRY_SOON };
            said(Code::ResourceExhausted, ErrorReason::DiskFull)
                .quota("disk")
                .retry(after)
        }
        Rejection::Draining => said(Code::Unavailable, ErrorReason::Draining).retry(RETRY_SOON),
    }
}

fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Scheduled => "SCHEDULED",
        JobState::Ready => "READY",
        JobState::Leased => "LEASED",
        JobState::Completed => "COMPLETED",
        JobState::Dead => "DEAD",
        JobState::Cancelled => "CANCELLED",
    }
}

fn explain_revoked() -> Explained {
    Explained::new(
        Code::Unauthenticated,
        ErrorReason::AuthkeyRevoked,
        "the authkey of this stream was revoked or lost the right to it",
    )
}

#[cfg(test)]
mod tests;
