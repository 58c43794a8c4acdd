//! The gRPC port: accepts connections, bounds them, and serves HTTP/2 on them.
//!
//! tonic's own server has no bound on connections, no deadline for handshakes,
//! and hands hyper `None` where hyper has safe limits. So the accept loop and the
//! HTTP/2 settings are ours; above them everything is tonic's.
//!
//! A connection is a stranger until a call on it has shown a known key. Strangers
//! have deadlines and a bound of their own, so that whoever has no key can keep
//! nobody out who has one.

mod accept;
mod admission;
mod connection;
mod open_call;
mod open_files;
mod prefixed;
mod progress;
mod refusals;
mod resets;
mod standing;
mod strangers;

pub(crate) use accept::AcceptErrors;
pub(crate) use admission::Admission;
pub(crate) use open_call::OpenCall;
pub(crate) use open_files::OpenFiles;
pub(crate) use progress::Progress;
pub(crate) use refusals::Refusals;
pub(crate) use standing::Standing;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tower::Service;
use tracing::debug;

use crate::config::{Http2, Limits};
use crate::credit::Credits;
use crate::protocol::DECODED_METADATA_FACTOR;
use crate::telemetry::GrpcMetrics;
use crate::tls::TlsState;
use progress::CallExecutor;
use resets::ResetLimits;

/// The largest frame a client may send. With the 16 KiB that are usual, a Put of 100 small jobs
/// takes two; one of more than this is held in memory before a call sees any of it.
const FRAME_BYTES_MAX: u32 = 128 << 10;

/// How the connections of the port are served.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) http2: http2::Builder<CallExecutor>,
    pub(crate) tls: Option<TlsState>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) first_request_timeout: Duration,
    pub(crate) resets: ResetLimits,
}

impl Options {
    pub(crate) fn new(
        limits: &Limits,
        transport: &Http2,
        tls: Option<TlsState>,
        metrics: &GrpcMetrics,
    ) -> Self {
        Self {
            http2: http2_builder(limits, transport, metrics),
            tls,
            handshake_timeout: limits.handshake_timeout,
            first_request_timeout: limits.first_request_timeout,
            resets: ResetLimits::new(limits),
        }
    }
}

/// Every setting on purpose: tonic would leave most of them without a limit.
fn http2_builder(
    limits: &Limits,
    transport: &Http2,
    metrics: &GrpcMetrics,
) -> http2::Builder<CallExecutor> {
    let calls = CallExecutor::new(transport.keepalive_timeout, metrics.clone());
    let mut builder = http2::Builder::new(calls);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        // More than is allowed, so that `protocol.rs` can say which limit was reached.
        .max_header_list_size(
            limits
                .header_bytes_max
                .saturating_mul(DECODED_METADATA_FACTOR),
        )
        // Calls cancelled before they were accepted. h2's own limit of 20 cuts off honest
        // clients that give up many Gets at once.
        .max_pending_accept_reset_streams(limits.pending_accept_resets_max)
        // h2 counts these over the whole life of a connection and never forgets one, so it may not
        // be small. Those that a call has begun for are bounded by their rate.
        .max_local_error_reset_streams(limits.local_error_resets_max)
        .initial_stream_window_size(transport.stream_window)
        .initial_connection_window_size(transport.connection_window)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(transport.send_buffer_bytes)
        // Dead peers are noticed also when nothing is sent: their leases wait for that.
        .keep_alive_interval(transport.keepalive_interval)
        .keep_alive_timeout(transport.keepalive_timeout);
    builder
}

/// Ends connections: first gently, then at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing {
    /// No new connections; those there are get GOAWAY and end with their last call.
    pub(crate) drain: CancellationToken,
    /// Those that are still there are dropped.
    pub(crate) abort: CancellationToken,
}

/// An open port.
pub(crate) struct Listener {
    socket: TcpListener,
    admission: Admission,
    refusals: Refusals,
    files: OpenFiles,
    options: Arc<Options>,
    credits: Credits,
    metrics: GrpcMetrics,
}

impl Listener {
    pub(crate) fn new(
        socket: TcpListener,
        admission: Admission,
        files: OpenFiles,
        options: Options,
        credits: Credits,
        metrics: GrpcMetrics,
    ) -> Self {
        Self {
            socket,
            admission,
            refusals: Refusals::new(metrics.clone()),
            files,
            options: Arc::new(options),
            credits,
            metrics,
        }
    }

    /// Serves until `closing`; returns when the last connection has ended.
    pub(crate) async fn run<S>(self, stack: S, closing: Closing)
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Unpin
            + Send
            + 'static,
        S::Future: Send + Unpin + 'static,
    {
        let connections = TaskTracker::new();
        let errors = AcceptErrors::new("gRPC");
        loop {
            let accepted = tokio::select! {
                biased;
                () = closing.drain.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.begin(stream, peer, stack.clone(), &closing, &connections);
                }
                Err(error) => tokio::select! {
                    () = errors.wait(&error, self.metrics.accept_errors()) => {}
                    () = closing.drain.cancelled() => {}
                },
            }
        }
        // New connections are refused from here on, by the operating system.
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }

    fn begin<S>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stack: S,
        closing: &Closing,
        connections: &TaskTracker,
    ) where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Unpin
            + Send
            + 'static,
        S::Future: Send + Unpin + 'static,
    {
        let files_left = self.files.for_connections();
        let place = match self.admission.admit(peer.ip(), files_left) {
            Ok(place) => place,
            Err(bound) => {
                self.refusals.count(bound, peer);
                self.refusals.tell(stream, bound, self.options.tls.clone());
                return;
            }
        };
        // Without it small answers wait up to 40 ms for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "the connection ended before it began");
            return;
        }
        let credit = self.credits.connection();
        let standing = Standing::new(peer, place, credit, self.options.resets);
        let options = Arc::clone(&self.options);
        let metrics = self.metrics.clone();
        let closing = closing.clone();
        connections.spawn(connection::run(
            stream, standing, stack, options, metrics, closing,
        ));
    }
}
