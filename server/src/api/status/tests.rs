//! The wire's view of every fault: codes and reasons are promises, texts are not.

use leaseq_engine::id::{JobId, JobSeq, NamespaceTag, QueueName};
use leaseq_engine::time::Time;
use leaseq_engine::transition::VerdictKind;

use super::*;

fn queue() -> QueueName {
    QueueName::new("mail").expect("a name")
}

fn job() -> JobId {
    JobId::new(JobSeq(7), Time::from_millis(1), NamespaceTag::new(3))
}

fn rejected(rejection: Rejection) -> Fault {
    rejection.into()
}

fn check(fault: Fault, code: Code, reason: &str) -> Status {
    let item = ItemStatus::from(&fault);
    let status = Status::from(fault);
    assert_eq!(status.code(), code, "{status}");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((&*info.reason, &*info.domain), (reason, "leaseq"));
    assert_eq!((item.code, item.reason()), (i32::from(code), reason));
    assert_eq!(item.message(), status.message());
    assert!(!item.message().is_empty());
    status
}

#[test]
fn every_rejection_has_its_code_and_reason() {
    use Code::*;
    let (queue, job) = (queue(), job());
    let cases = [
        (
            Rejection::QueueNotFound {
                queue: queue.clone(),
            },
            NotFound,
            "QUEUE_NOT_FOUND",
        ),
        (Rejection::JobNotFound { job }, NotFound, "JOB_NOT_FOUND"),
        (
            Rejection::QueueExists {
                queue: queue.clone(),
            },
            AlreadyExists,
            "QUEUE_EXISTS",
        ),
        (
            Rejection::QueueNotEmpty {
                queue: queue.clone(),
                jobs: 3,
            },
            FailedPrecondition,
            "QUEUE_NOT_EMPTY",
        ),
        (
            Rejection::RevisionMismatch {
                queue: queue.clone(),
            },
            Aborted,
            "ETAG_MISMATCH",
        ),
        (
            Rejection::QueueFull {
                queue: queue.clone(),
                jobs_max: 3,
            },
            ResourceExhausted,
            "QUEUE_FULL",
        ),
        (
            Rejection::QueueNotPermitted { queue },
            PermissionDenied,
            "QUEUE_NOT_PERMITTED",
        ),
        (
            Rejection::RequestIdReused,
            InvalidArgument,
            "REQUEST_ID_REUSED",
        ),
        (
            Rejection::TokenInvalid,
            InvalidArgument,
            "LEASE_TOKEN_INVALID",
        ),
        (
            Rejection::LeaseLost { state: None },
            FailedPrecondition,
            "LEASE_LOST",
        ),
        (
            Rejection::AlreadySettled {
                verdict: VerdictKind::Fail,
            },
            FailedPrecondition,
            "ALREADY_SETTLED",
        ),
        (
            Rejection::JobEnded {
                job,
                state: JobState::Dead,
            },
            FailedPrecondition,
            "JOB_ENDED",
        ),
        (
            Rejection::ContentDamaged { job },
            DataLoss,
            "CONTENT_DAMAGED",
        ),
        (Rejection::SessionNotFound, Aborted, "SESSION_EXPIRED"),
        (
            Rejection::LimitReached {
                limit: "limits.queues",
                max: 9,
            },
            ResourceExhausted,
            "LIMIT_REACHED",
        ),
        (Rejection::Draining, Unavailable, "DRAINING"),
    ];
    for (rejection, code, reason) in cases {
        check(rejected(rejection), code, reason);
    }
}

#[test]
fn every_other_fault_has_its_code_and_reason() {
    use Code::*;
    let overloaded = Refusal::Overloaded {
        limit: "limits.pending_commands",
        max: 9,
    };
    let cases: [(Fault, Code, &str); 11] = [
        (
            Invalid::new("queue", "is bad").into(),
            InvalidArgument,
            "INVALID_FIELD",
        ),
        (
            Invalid::too_large("payload", 9, "limits.payload_bytes", 8).into(),
            InvalidArgument,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            Invalid::token("lease_tokens[0]").into(),
            InvalidArgument,
            "LEASE_TOKEN_INVALID",
        ),
        (Fault::Protocol("x"), FailedPrecondition, "SESSION_PROTOCOL"),
        (Fault::SessionExpired, Aborted, "SESSION_EXPIRED"),
        (Fault::Revoked, Unauthenticated, "AUTHKEY_REVOKED"),
        (Fault::Bug("x"), Internal, "INTERNAL"),
        (Refusal::Recovering.into(), Unavailable, "RECOVERING"),
        (Refusal::StoreFailed.into(), Unavailable, "STORE_FAILED"),
        (
            Refusal::ContentBusy.into(),
            ResourceExhausted,
            "LIMIT_REACHED",
        ),
        (overloaded.into(), ResourceExhausted, "LIMIT_REACHED"),
    ];
    for (fault, code, reason) in cases {
        check(fault, code, reason);
    }
}

#[test]
fn a_bad_field_is_named_for_programs_and_people() {
    let invalid = Invalid::new("max_attempts", "is 5000; at most 1000 are allowed");
    let fault = Fault::from(invalid.inside_entry("jobs", 3));
    let status = check(fault, Code::InvalidArgument, "INVALID_FIELD");
    let details = status.get_error_details();
    let violations = &details
        .bad_request()
        .expect("a BadRequest")
        .field_violations;
    assert_eq!(violations[0].field, "jobs[3].max_attempts");
    assert_eq!(
        status.message(),
        "jobs[3].max_attempts is 5000; at most 1000 are allowed"
    );
}

#[test]
fn what_may_be_retried_says_when() {
    let full = rejected(Rejection::QueueFull {
        queue: queue(),
        jobs_max: 3,
    });
    for fault in [full, Refusal::Recovering.into(), Refusal::Draining.into()] {
        let status = Status::from(fault);
        let retry = status.get_details_retry_info().expect("a RetryInfo");
        assert!(retry.retry_delay.is_some());
    }
    // A restart that takes a moment must not cost a client a second.
    let recovering = Status::from(Fault::from(Refusal::Recovering));
    let retry = recovering.get_details_retry_info().expect("a RetryInfo");
    assert_eq!(retry.retry_delay, Some(Duration::from_millis(100)));
    let lost = Status::from(rejected(Rejection::LeaseLost { state: None }));
    assert!(
        lost.get_details_retry_info().is_none(),
        "retrying would not help"
    );
}

#[test]
fn what_a_message_names_is_in_the_metadata_too() {
    let status = Status::from(rejected(Rejection::QueueFull {
        queue: queue(),
        jobs_max: 3,
    }));
    let metadata = status
        .get_details_error_info()
        .expect("an ErrorInfo")
        .metadata;
    assert_eq!(metadata["queue"], "mail");
    assert_eq!(metadata["max_jobs"], "3");
    let status = Status::from(rejected(Rejection::LeaseLost {
        state: Some(JobState::Ready),
    }));
    let metadata = status
        .get_details_error_info()
        .expect("an ErrorInfo")
        .metadata;
    assert_eq!(metadata["state"], "READY");
}

#[test]
fn a_status_of_the_library_becomes_one_of_ours() {
    let too_large = adopted(
        &Status::out_of_range("decoded message length too large"),
        4096,
    );
    assert_eq!(too_large.code(), Code::InvalidArgument);
    let info = too_large.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "PAYLOAD_TOO_LARGE");
    assert_eq!(info.metadata["max"], "4096");
    let garbage = adopted(&Status::internal("failed to decode Protobuf message"), 4096);
    assert_eq!(garbage.code(), Code::InvalidArgument);
    let ours = Status::from(Fault::Bug("kept as it is"));
    assert_eq!(adopted(&ours, 4096).code(), Code::Internal);
}
