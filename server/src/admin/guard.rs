//! Who may look.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Request, State as Extract};
use axum::http::header::{HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::State;
use crate::auth::{Role, presented_key};

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

/// Elsewhere: only keys that may read.
pub(super) async fn key(
    Extract(state): Extract<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    if state.loopback || state.keyring.is_open() {
        return next.run(request).await;
    }
    let identity = presented_key(request.headers())
        .and_then(|key| state.keyring.identify(key, SystemTime::now()).ok());
    match identity {
        Some(identity) if identity.has_any(&[Role::Read, Role::Admin]) => next.run(request).await,
        Some(_) => {
            let text = "This key may not look here: it needs the role read or admin.\n";
            (StatusCode::FORBIDDEN, text).into_response()
        }
        None => {
            let text = "Send a key with the role read: `authorization: Bearer <key>`.\n";
            let challenge = [(WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, challenge, text).into_response()
        }
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
