//! The form of an error that is given before a handler is reached: a code, a
//! sentence, and one `google.rpc.ErrorInfo`.

use leaseq_proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A status with this reason.
pub(crate) fn status(code: Code, reason: ErrorReason, message: &str) -> Status {
    let name = reason.as_str_name();
    let name = name.strip_prefix("ERROR_REASON_").unwrap_or(name);
    let details = ErrorDetails::with_error_info(name, "leaseq", [] as [(String, String); 0]);
    Status::with_error_details(code, message, details)
}
