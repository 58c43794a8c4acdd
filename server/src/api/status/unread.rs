//! Statuses of requests that could not be read, or not to their end.

use leaseq_proto::v1::ErrorReason;
use tonic::{Code, Status};

use super::Explained;
use crate::telemetry::limit_refused;

/// Which compressions a server takes.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// The metadata of a call has more bytes than it may have.
pub(crate) fn metadata_too_large(bytes: usize, max: usize) -> Status {
    const LIMIT: &str = "limits.header_bytes";
    limit_refused(LIMIT);
    Explained::new(
        Code::ResourceExhausted,
        ErrorReason::LimitReached,
        format!("the metadata of this call has {bytes} bytes; this server's {LIMIT} is {max}"),
    )
    .with("limit", LIMIT)
    .with("max", max)
    .with("bytes", bytes)
    .quota(LIMIT)
    .into_status()
}

/// A call that takes one message got another one.
pub(crate) fn second_message() -> Status {
    Explained::new(
        Code::InvalidArgument,
        ErrorReason::InvalidField,
        "the request has more than one message, and this call takes one; nothing was done",
    )
    .field("request")
    .into_status()
}

/// A status that the gRPC library made by itself while it read a request, in our terms. One that
/// has details is ours already.
pub(crate) fn adopted(status: &Status, request_bytes_max: usize) -> Status {
    if !status.details().is_empty() {
        return status.clone();
    }
    let bad_request = |message: String, reason| {
        Explained::new(Code::InvalidArgument, reason, message).field("request")
    };
    // Every code is named: each is the fault of a peer, so none may become INTERNAL or UNKNOWN,
    // which are for bugs of this server.
    match status.code() {
        // Larger than the limit as it arrives, or when it is decompressed.
        Code::OutOfRange | Code::ResourceExhausted => bad_request(
            format!(
                "the request has more than {request_bytes_max} bytes, which is \
                 limits.request_bytes of this server, or what a health check may have; send \
                 fewer jobs at once"
            ),
            ErrorReason::PayloadTooLarge,
        )
        .with("limit", "limits.request_bytes")
        .with("max", request_bytes_max)
        .into_status(),
        Code::Internal | Code::InvalidArgument => bad_request(
            format!("the request cannot be read: {}", status.message()),
            ErrorReason::InvalidField,
        )
        .into_status(),
        Code::Unimplemented => {
            let explained = Explained::new(
                Code::Unimplemented,
                ErrorReason::Unsupported,
                status.message(),
            );
            let mut ours = explained.into_status();
            // Says which compressions can be sent.
            if let Some(accepted) = status.metadata().get(ACCEPT_ENCODING) {
                ours.metadata_mut()
                    .insert(ACCEPT_ENCODING, accepted.clone());
            }
            ours
        }
        // The connection or the call broke before the request was complete. The client does
        // not read this answer; it is for the log and the metrics.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => {
            Status::cancelled(format!("the request broke off: {}", status.message()))
        }
    }
}
