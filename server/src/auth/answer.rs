//! The answers to calls that do not get in.

use leaseq_proto::v1::ErrorReason;
use tonic::{Code, Status};

use super::identity::Role;
use crate::refusal::status;

pub(super) fn key_missing() -> Status {
    status(
        Code::Unauthenticated,
        ErrorReason::AuthkeyMissing,
        "this server asks for an authkey: send it as metadata, `authkey: <key>` or \
         `authorization: Bearer <key>`",
    )
}

/// The same for unknown, revoked and expired keys.
pub(super) fn key_rejected() -> Status {
    status(
        Code::Unauthenticated,
        ErrorReason::AuthkeyRejected,
        "the authkey is not one of this server's",
    )
}

pub(super) fn role_missing(key_name: &str, roles: &[Role]) -> Status {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let message = format!(
        "the key {key_name:?} may not make this call: it needs the role {}",
        roles.join(" or ")
    );
    status(Code::PermissionDenied, ErrorReason::RoleMissing, &message)
}

pub(super) fn method_unknown() -> Status {
    status(
        Code::Unimplemented,
        ErrorReason::Unsupported,
        "this server has no such method",
    )
}
