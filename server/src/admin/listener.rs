//! Serves HTTP/1: one request for each connection, with a bound on connections and on how long
//! each may last. When the places are full, the oldest connection of the address that has most
//! makes room, so that clients that do not read cannot keep the probes out.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Peer;
use crate::listener::{AcceptErrors, Admission, Refusals};
use crate::telemetry::GrpcMetrics;
use crate::tls::TlsState;

/// The admin port, ready to be served.
#[derive(Clone)]
pub(super) struct AdminListener {
    pub(super) admission: Admission,
    pub(super) refusals: Refusals,
    pub(super) metrics: GrpcMetrics,
    pub(super) tls: Option<TlsState>,
    pub(super) handshake_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) router: Router,
}

impl AdminListener {
    /// Serves until `end`.
    pub(super) async fn run(self, socket: TcpListener, end: CancellationToken) {
        let errors = AcceptErrors::new("admin");
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer, &end),
                Err(error) => tokio::select! {
                    () = errors.wait(&error, self.metrics.admin_accept_errors()) => {}
                    () = end.cancelled() => return,
                },
            }
        }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, end: &CancellationToken) {
        let place = match self.admission.admit(peer.ip(), usize::MAX) {
            Ok(place) => place,
            Err(bound) => {
                self.refusals.count(bound, peer);
                return;
            }
        };
        let mut listener = self.clone();
        listener.router = listener.router.layer(Extension(Peer(peer)));
        let end = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = place.evicted() => debug!(%peer, "the place is needed for another"),
                // Also ends a client that does not read its answer.
                _ = timeout(listener.timeout, listener.handshake_and_serve(stream)) => {}
            }
            debug!(%peer, "admin connection ended");
        });
    }

    async fn handshake_and_serve(&self, stream: TcpStream) {
        match &self.tls {
            Some(tls) => match timeout(self.handshake_timeout, tls.acceptor().accept(stream)).await
            {
                Ok(Ok(stream)) => self.serve(stream).await,
                Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
                Err(_) => debug!("TLS handshake took too long"),
            },
            None => self.serve(stream).await,
        }
    }

    async fn serve<T>(&self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone());
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.handshake_timeout)
            // A second request on the same connection could stand behind the first for ever.
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            debug!(%error, "admin connection broken");
        }
    }
}
