//! The admin port: HTTP for probes, scrapers and people who look. It changes
//! nothing and shows no payload.
//!
//! On loopback it asks for no key, but for a Host that is this machine: a web page
//! must not read it by pointing a name of its own at 127.0.0.1. Elsewhere it asks
//! for a key with the role read or admin, except for the two probes.

mod guard;
mod listener;
mod pages;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::auth::Keyring;
use crate::config::Config;
use crate::listener::Closing;
use crate::serve::Parts;
use crate::shard::ShardHandle;
use crate::telemetry::GrpcMetrics;
use crate::tls::TlsState;

/// The admin port.
pub(crate) struct Admin {
    state: Arc<State>,
    closing: Closing,
}

/// What the pages read.
struct State {
    config: Arc<Config>,
    keyring: Keyring,
    metrics: GrpcMetrics,
    shard: ShardHandle,
    started: Instant,
    loopback: bool,
}

impl Admin {
    pub(crate) fn new(parts: &Parts, addr: SocketAddr) -> Self {
        Self {
            state: Arc::new(State {
                config: Arc::clone(&parts.config),
                keyring: parts.keyring.clone(),
                metrics: parts.metrics.clone(),
                shard: parts.shard.clone(),
                started: parts.started,
                loopback: addr.ip().to_canonical().is_loopback(),
            }),
            closing: parts.closing.clone(),
        }
    }

    /// Serves until the server has ended.
    pub(crate) async fn run(self, socket: TcpListener, tls: Option<TlsState>) {
        let limits = &self.state.config.limits;
        let bounds = listener::Bounds {
            connections_max: limits.admin_connections_max,
            handshake_timeout: limits.handshake_timeout,
        };
        let router = router(Arc::clone(&self.state));
        listener::run(socket, tls, bounds, router, self.closing.abort).await;
    }
}

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", get(pages::index))
        .route("/metrics", get(pages::metrics))
        .layer(from_fn_with_state(Arc::clone(&state), guard::key))
        // Behind no key: a probe has none, and learns one bit.
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .layer(from_fn_with_state(Arc::clone(&state), guard::host))
        .with_state(state)
}
