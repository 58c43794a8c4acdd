//! From what came over the wire to an [`Error`]. The only place that knows gRPC codes.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use leaseq_proto::v1 as proto;
use proto::ErrorReason as Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::Error;

/// The `domain` of the server's ErrorInfo.
const DOMAIN: &str = "leaseq";

/// What a call's status says.
pub(crate) fn from_status(status: &Status, addr: &Arc<str>) -> Error {
    // A status with a source was made here, out of what happened to the connection. The server's
    // own come from trailers and have none.
    if let Some(source) = status.source() {
        return from_transport(source, addr);
    }
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .filter(|info| info.domain == DOMAIN)
        .map(|info| info.reason.clone())
        .unwrap_or_default();
    let message = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    build(status.code(), &reason, message, &Facts::of(&details))
}

/// What the status of one entry says.
pub(crate) fn from_item(status: Option<proto::ItemStatus>) -> Result<(), Error> {
    match status {
        None => Ok(()),
        Some(status) if status.code == 0 => Ok(()),
        Some(status) => Err(build(
            Code::from_i32(status.code),
            status.reason(),
            status.message().to_owned(),
            &Facts::default(),
        )),
    }
}

/// What the details of a status add to its reason.
#[derive(Default)]
struct Facts {
    retry_after: Option<Duration>,
    field: Option<String>,
    max: Option<u64>,
}

impl Facts {
    fn of(details: &ErrorDetails) -> Self {
        let violation = details
            .bad_request()
            .and_then(|bad| bad.field_violations.first());
        let limit = details.error_info().and_then(|info| {
            let named = ["max", "limit", "payload_bytes_max"];
            named
                .iter()
                .find_map(|name| info.metadata.get(*name)?.parse().ok())
        });
        Self {
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            field: violation.map(|violation| violation.field.clone()),
            max: limit,
        }
    }
}

fn build(code: Code, reason: &str, message: String, facts: &Facts) -> Error {
    let retry_after = facts.retry_after;
    match Reason::from_str_name(&format!("ERROR_REASON_{reason}")) {
        Some(Reason::InvalidField) => Error::InvalidArgument {
            field: facts.field.clone(),
            message,
        },
        Some(Reason::PayloadTooLarge) => Error::PayloadTooLarge {
            max: facts.max,
            message,
        },
        Some(Reason::LeaseTokenInvalid) => Error::LeaseTokenInvalid { message },
        Some(Reason::RequestIdReused) => Error::RequestIdReused { message },
        Some(Reason::AuthkeyMissing | Reason::AuthkeyRejected | Reason::AuthkeyRevoked) => {
            Error::Unauthenticated { message }
        }
        Some(Reason::RoleMissing | Reason::QueueNotPermitted) => {
            Error::PermissionDenied { message }
        }
        Some(Reason::QueueNotFound) => Error::QueueNotFound { message },
        Some(Reason::JobNotFound) => Error::JobNotFound { message },
        Some(Reason::QueueExists) => Error::QueueExists { message },
        Some(Reason::QueueNotEmpty) => Error::QueueNotEmpty { message },
        Some(Reason::EtagMismatch) => Error::QueueChanged { message },
        Some(Reason::LeaseLost) => Error::LeaseLost { message },
        Some(Reason::AlreadySettled) => Error::AlreadySettled { message },
        Some(Reason::ContentDamaged) => Error::ContentDamaged { message },
        Some(Reason::JobEnded) => Error::JobEnded { message },
        Some(Reason::SessionProtocol) => Error::SessionProtocol { message },
        Some(Reason::SessionExpired) => Error::SessionExpired { message },
        Some(Reason::QueueFull) => Error::QueueFull {
            retry_after,
            message,
        },
        Some(Reason::DiskFull) => Error::DiskFull {
            retry_after,
            message,
        },
        Some(Reason::LimitReached) => Error::LimitReached {
            retry_after,
            message,
        },
        // A session that has expired is over, as one whose server went away is: open another.
        Some(Reason::Recovering | Reason::Draining | Reason::StoreFailed) => Error::Unavailable {
            retry_after,
            message,
        },
        Some(Reason::Unsupported) => Error::Unsupported { message },
        Some(Reason::Internal) => Error::Internal { message },
        // A proxy, a newer server, or tonic itself: the code is all there is.
        Some(_) | None => by_code(code, message, facts),
    }
}

fn by_code(code: Code, message: String, facts: &Facts) -> Error {
    let retry_after = facts.retry_after;
    match code {
        Code::Unauthenticated => Error::Unauthenticated { message },
        Code::PermissionDenied => Error::PermissionDenied { message },
        Code::InvalidArgument => Error::InvalidArgument {
            field: facts.field.clone(),
            message,
        },
        Code::ResourceExhausted => Error::LimitReached {
            retry_after,
            message,
        },
        Code::Unavailable => Error::Unavailable {
            retry_after,
            message,
        },
        Code::Unimplemented => Error::Unsupported { message },
        Code::OutOfRange => Error::PayloadTooLarge { max: None, message },
        code => Error::Internal {
            message: format!("{message} ({})", code.description()),
        },
    }
}

/// What happened to a connection, from the chain of errors that tells of it.
fn from_transport(source: &(dyn StdError + 'static), addr: &Arc<str>) -> Error {
    let addr = Arc::clone(addr);
    let mut last = source;
    let mut next = Some(source);
    while let Some(error) = next {
        if let Some(cause) = tls_cause(error) {
            return Error::Tls { addr, cause };
        }
        last = error;
        next = error.source();
    }
    Error::Unreachable {
        addr,
        cause: plain_cause(last),
    }
}

/// What rustls said, if this error is or holds an error of rustls. An `io::Error` that wraps
/// another error leaves it out of its chain of sources, so it is asked for it.
fn tls_cause(error: &(dyn StdError + 'static)) -> Option<String> {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    let wrapped = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let tls = error.downcast_ref::<rustls::Error>().or(wrapped)?;
    Some(tls.to_string())
}

/// The last error of a chain in the words that people know.
fn plain_cause(error: &(dyn StdError + 'static)) -> String {
    let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind) else {
        return error.to_string();
    };
    match kind {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "connection lost".to_owned()
        }
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn addr() -> Arc<str> {
        "127.0.0.1:5327".into()
    }

    fn with_reason(code: Code, reason: &str, domain: &str) -> Error {
        let details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
        from_status(
            &Status::with_error_details(code, "what the server said", details),
            &addr(),
        )
    }

    /// A variant's name is what callers match on; the message is the server's.
    fn name(error: &Error) -> String {
        let debug = format!("{error:?}");
        debug
            .split([' ', '{'])
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn every_reason_has_its_error() {
        let expected = [
            (Reason::InvalidField, "InvalidArgument"),
            (Reason::PayloadTooLarge, "PayloadTooLarge"),
            (Reason::LeaseTokenInvalid, "LeaseTokenInvalid"),
            (Reason::RequestIdReused, "RequestIdReused"),
            (Reason::AuthkeyMissing, "Unauthenticated"),
            (Reason::AuthkeyRejected, "Unauthenticated"),
            (Reason::AuthkeyRevoked, "Unauthenticated"),
            (Reason::RoleMissing, "PermissionDenied"),
            (Reason::QueueNotPermitted, "PermissionDenied"),
            (Reason::QueueNotFound, "QueueNotFound"),
            (Reason::JobNotFound, "JobNotFound"),
            (Reason::QueueExists, "QueueExists"),
            (Reason::QueueNotEmpty, "QueueNotEmpty"),
            (Reason::EtagMismatch, "QueueChanged"),
            (Reason::LeaseLost, "LeaseLost"),
            (Reason::AlreadySettled, "AlreadySettled"),
            (Reason::JobEnded, "JobEnded"),
            (Reason::ContentDamaged, "ContentDamaged"),
            (Reason::SessionProtocol, "SessionProtocol"),
            (Reason::QueueFull, "QueueFull"),
            (Reason::DiskFull, "DiskFull"),
            (Reason::LimitReached, "LimitReached"),
            (Reason::Recovering, "Unavailable"),
            (Reason::Draining, "Unavailable"),
            (Reason::StoreFailed, "Unavailable"),
            (Reason::SessionExpired, "SessionExpired"),
            (Reason::Unsupported, "Unsupported"),
            (Reason::Internal, "Internal"),
        ];
        for (reason, variant) in expected {
            let reason = reason
                .as_str_name()
                .trim_start_matches("ERROR_REASON_")
                .to_owned();
            // The reason decides, not the code.
            let error = with_reason(Code::Unknown, &reason, DOMAIN);
            assert_eq!(name(&error), variant, "{reason}");
            let item = proto::ItemStatus::new(2, reason, "no");
            assert_eq!(name(&from_item(Some(item)).unwrap_err()), variant);
        }
    }

    #[test]
    fn the_code_decides_where_the_reason_is_not_ours() {
        for (code, reason, domain, variant) in [
            (Code::Unavailable, "QUEUE_FULL", "elsewhere", "Unavailable"),
            (
                Code::Unauthenticated,
                "NEWER_THAN_THIS",
                DOMAIN,
                "Unauthenticated",
            ),
            (Code::PermissionDenied, "", "", "PermissionDenied"),
            (Code::InvalidArgument, "", "", "InvalidArgument"),
            (Code::ResourceExhausted, "", "", "LimitReached"),
            (Code::Unimplemented, "", "", "Unsupported"),
            (Code::Aborted, "", "", "Internal"),
            (Code::Cancelled, "", "", "Internal"),
            (Code::DataLoss, "", "", "Internal"),
        ] {
            assert_eq!(
                name(&with_reason(code, reason, domain)),
                variant,
                "{code} {reason}"
            );
        }
    }

    #[test]
    fn details_become_facts() {
        let mut details = ErrorDetails::with_error_info("INVALID_FIELD", DOMAIN, HashMap::new());
        details.add_bad_request_violation("jobs[3].priority", "-1000 to 1000");
        let status = Status::with_error_details(Code::InvalidArgument, "priority is 4000", details);
        let error = from_status(&status, &addr());
        assert_eq!(
            error.to_string(),
            "invalid argument in jobs[3].priority: priority is 4000"
        );

        let mut details = ErrorDetails::with_error_info("QUEUE_FULL", DOMAIN, HashMap::new());
        details.set_retry_info(Some(Duration::from_millis(250)));
        let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let error = from_status(&status, &addr());
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));

        let max = HashMap::from([("max".to_owned(), "1048576".to_owned())]);
        let details = ErrorDetails::with_error_info("PAYLOAD_TOO_LARGE", DOMAIN, max);
        let status = Status::with_error_details(Code::InvalidArgument, "2 MiB", details);
        let error = from_status(&status, &addr());
        assert!(matches!(
            error,
            Error::PayloadTooLarge {
                max: Some(1_048_576),
                ..
            }
        ));
    }

    #[test]
    fn what_happens_to_the_connection_is_unreachable_with_the_cause() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = from_status(&Status::from_error(Box::new(refused)), &addr());
        assert_eq!(
            error,
            Error::Unreachable {
                addr: addr(),
                cause: "connection refused".to_owned()
            }
        );
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, tls);
        let error = from_status(&Status::from_error(Box::new(wrapped)), &addr());
        assert_eq!(name(&error), "Tls");
    }

    #[test]
    fn an_item_without_status_is_ok() {
        assert_eq!(from_item(None), Ok(()));
        assert_eq!(from_item(Some(proto::ItemStatus::default())), Ok(()));
    }
}
