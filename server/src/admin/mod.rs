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
use crate::credit::Credits;
use crate::listener::{Admission, Closing, Refusals};
use crate::serve::Parts;
use crate::shard::ShardHandle;
use crate::telemetry::GrpcMetrics;
use crate::tls::TlsState;

/// The admin port.
pub(crate) struct Admin {
    state: Arc<State>,
    closing: Closing,
    connections_max: usize,
}

/// The address at the other end, in the extensions of each request.
#[derive(Clone, Copy)]
struct Peer(SocketAddr);

/// What the pages read.
struct State {
    config: Arc<Config>,
    keyring: Keyring,
    metrics: GrpcMetrics,
    credits: Credits,
    shard: ShardHandle,
    started: Instant,
    loopback: bool,
}

impl Admin {
    /// `connections_max` is what the limit of open files leaves of the configured number.
    pub(crate) fn new(parts: &Parts, addr: SocketAddr, connections_max: usize) -> Self {
        Self {
            connections_max,
            state: Arc::new(State {
                config: Arc::clone(&parts.config),
                keyring: parts.keyring.clone(),
                metrics: parts.metrics.clone(),
                credits: parts.credits.clone(),
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
        let listener = listener::AdminListener {
            admission: Admission::admin(self.connections_max),
            refusals: Refusals::new(self.state.metrics.clone()),
            metrics: self.state.metrics.clone(),
            tls,
            handshake_timeout: limits.handshake_timeout,
            timeout: limits.admin_timeout,
            router: router(Arc::clone(&self.state)),
        };
        listener.run(socket, self.closing.abort).await;
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use leaseq_engine::settings::EngineConfig;
    use leaseq_store::MemoryStore;
    use tower::ServiceExt;

    use super::*;
    use crate::auth::Key;
    use crate::shard::{self, ShardOptions};

    const KEYS: &str = "[[key]]\nname='r'\nkey='the-key-that-may-read'\nroles=['read']\n\
        [[key]]\nname='w'\nkey='the-key-that-may-work'\nroles=['work']\n";

    fn elsewhere() -> Router {
        let store = Box::new(MemoryStore::new());
        let shard = shard::start(
            store,
            EngineConfig::default(),
            ShardOptions::default(),
            shard::Clock::start(),
        )
        .unwrap();
        router(Arc::new(State {
            config: Arc::default(),
            keyring: Keyring::new(&Key::many(KEYS, 10).unwrap().0),
            metrics: GrpcMetrics::new(),
            credits: Credits::new(&Config::default().limits),
            shard,
            started: Instant::now(),
            loopback: false,
        }))
    }

    #[tokio::test]
    async fn elsewhere_only_keys_that_may_read_get_in_and_probes_need_none() {
        let router = elsewhere();
        let get = async |path: &str, key: &str| {
            let mut request = Request::get(path).header("host", "metrics.example");
            if !key.is_empty() {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            let request = request.body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        for path in ["/", "/metrics"] {
            assert_eq!(get(path, "").await, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(get(path, "wrong").await, StatusCode::UNAUTHORIZED, "{path}");
            let work = get(path, "the-key-that-may-work").await;
            assert_eq!(work, StatusCode::FORBIDDEN, "{path}");
            let read = get(path, "the-key-that-may-read").await;
            assert_eq!(read, StatusCode::OK, "{path}");
        }
        assert_eq!(get("/healthz", "").await, StatusCode::OK);
        assert_ne!(get("/readyz", "").await, StatusCode::UNAUTHORIZED);
    }
}
