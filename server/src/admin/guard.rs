//! Who may look.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Request, State as Extract};
use axum::http::header::{HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use tracing::warn;

use super::{Peer, State};
use crate::auth::{Identity, Role, presented_key};
use crate::telemetry::AuthFailure;

/// On loopback: only requests that name this machine.
pub(super) async fn host(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let named = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    if state.loopback && !named.is_some_and(is_this_machine) {
        let text = "This port answers requests to localhost or 127.0.0.1 only.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert(
        "content-security-policy",
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|addr| addr.is_loopback())
    })
}

/// Elsewhere: only keys that may read. The pages show such a key its own queues.
pub(super) async fn key(
    Extract(state): Extract<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    if state.loopback || state.keyring.is_open() {
        return next.run(request).await;
    }
    let refused = match identify(&state, &request) {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            return next.run(request).await;
        }
        Err(refused) => refused,
    };
    state.metrics.auth_failed(refused.failure);
    let peer = request.extensions().get::<Peer>();
    warn!(
        path = request.uri().path(),
        key = refused.key_name.as_deref(),
        peer = peer.map(|peer| display(peer.0)),
        reason = refused.failure.reason(),
        "admin request refused"
    );
    match refused.failure {
        AuthFailure::RoleMissing => {
            let text = "This key may not look here: it needs the role read or admin.\n";
            (StatusCode::FORBIDDEN, text).into_response()
        }
        AuthFailure::KeyMissing | AuthFailure::KeyRejected => {
            let text = "Send a key with the role read: `authorization: Bearer <key>`.\n";
            let challenge = [(WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, challenge, text).into_response()
        }
    }
}

struct Refused {
    failure: AuthFailure,
    key_name: Option<String>,
}

fn identify(state: &State, request: &Request) -> Result<Identity, Refused> {
    let refused = |failure, key_name| Refused { failure, key_name };
    let Some(key) = presented_key(request.headers()) else {
        return Err(refused(AuthFailure::KeyMissing, None));
    };
    let identity = state
        .keyring
        .identify(key, SystemTime::now())
        .map_err(|_| refused(AuthFailure::KeyRejected, None))?;
    if identity.has_any(&[Role::Read, Role::Admin]) {
        Ok(identity)
    } else {
        let name = identity.key_name().to_owned();
        Err(refused(AuthFailure::RoleMissing, Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_names_of_this_machine_are_let_in() {
        for host in [
            "localhost",
            "LOCALHOST:5328",
            "127.0.0.1:5328",
            "127.8.8.8",
            "[::1]:5328",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        let others = [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "[::2]",
            "[",
            ":1",
        ];
        for host in others {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
