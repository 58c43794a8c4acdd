//! Serves HTTP/1 with a bound on connections and a deadline for heads.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Peer;
use crate::tls::TlsState;

/// After the operating system gave no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Bounds {
    pub(super) connections_max: usize,
    pub(super) handshake_timeout: Duration,
}

pub(super) async fn run(
    socket: TcpListener,
    tls: Option<TlsState>,
    bounds: Bounds,
    router: Router,
    end: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    loop {
        // Waits for a place before it accepts: a scraper is patient, and the page is small.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = end.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let router = router.clone().layer(Extension(Peer(peer)));
                let (tls, end) = (tls.clone(), end.clone());
                let deadline = bounds.handshake_timeout;
                tokio::spawn(async move {
                    let _place = place;
                    tokio::select! {
                        () = end.cancelled() => {}
                        () = handshake_and_serve(stream, tls, router, deadline) => {}
                    }
                    debug!(%peer, "admin connection ended");
                });
            }
            Err(error) => {
                warn!(%error, "the admin port cannot accept for now");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handshake_and_serve(
    stream: TcpStream,
    tls: Option<TlsState>,
    router: Router,
    deadline: Duration,
) {
    match tls {
        Some(tls) => match timeout(deadline, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, router, deadline).await,
            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
            Err(_) => debug!("TLS handshake took too long"),
        },
        None => serve(stream, router, deadline).await,
    }
}

async fn serve<T>(stream: T, router: Router, deadline: Duration)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also between two requests of a kept connection: a scraper comes back on a new one.
        .header_read_timeout(deadline)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        debug!(%error, "admin connection broken");
    }
}
