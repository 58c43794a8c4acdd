//! The life of one connection: handshake, first call, calls, end. Each of the
//! first two has a deadline.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::util::Oneshot;
use tower::{Service, ServiceExt};
use tracing::debug;

use super::prefixed::Prefixed;
use super::resets::UnansweredCall;
use super::standing::Standing;
use super::{Closing, Options};
use crate::telemetry::{ConnectionEnd, GrpcMetrics};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// For whoever opens the port in a browser or with curl.
const NOT_HTTP2: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 85\r\n\r\n\
    This is the gRPC port of leaseq (HTTP/2). Metrics and health are on the admin port.\r\n";

/// A connection that was told to go has this long to take note.
const GOAWAY_TIME: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn run<S>(
    stream: TcpStream,
    standing: Standing,
    stack: S,
    options: Arc<Options>,
    metrics: GrpcMetrics,
    closing: Closing,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Unpin
        + Send
        + 'static,
    S::Future: Send + Unpin + 'static,
{
    let peer = standing.peer();
    let service = ConnectionService {
        stack,
        connect_info: TcpConnectInfo {
            local_addr: stream.local_addr().ok(),
            remote_addr: Some(peer),
        },
        standing,
    };
    let end = tokio::select! {
        biased;
        () = closing.abort.cancelled() => Ok(()),
        end = handshake_and_serve(stream, service, &options, &closing) => end,
    };
    if let Err(end) = end {
        metrics.connection_ended(end);
        debug!(%peer, reason = end.as_str(), "connection closed");
    }
}

async fn handshake_and_serve<S>(
    stream: TcpStream,
    service: ConnectionService<S>,
    options: &Options,
    closing: &Closing,
) -> Result<(), ConnectionEnd>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Unpin
        + Send
        + 'static,
    S::Future: Send + Unpin + 'static,
{
    let started = Instant::now();
    match &options.tls {
        Some(tls) => {
            let accepted = timeout(options.handshake_timeout, tls.acceptor().accept(stream));
            let stream = accepted
                .await
                .map_err(|_| ConnectionEnd::HandshakeTimeout)?
                .map_err(|error| {
                    debug!(%error, "TLS handshake failed");
                    ConnectionEnd::TlsFailed
                })?;
            serve(stream, service, options, closing, started).await
        }
        None => serve(stream, service, options, closing, started).await,
    }
}

async fn serve<T, S>(
    stream: T,
    service: ConnectionService<S>,
    options: &Options,
    closing: &Closing,
    started: Instant,
) -> Result<(), ConnectionEnd>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Unpin
        + Send
        + 'static,
    S::Future: Send + Unpin + 'static,
{
    let standing = service.standing.clone();
    let rest = options.handshake_timeout.saturating_sub(started.elapsed());
    let stream = timeout(rest, read_preface(stream, standing.clone()))
        .await
        .map_err(|_| ConnectionEnd::HandshakeTimeout)??;
    let mut connection = pin!(
        options
            .http2
            .serve_connection(TokioIo::new(stream), service)
    );
    let first_call_due = started + options.first_request_timeout;
    let end = tokio::select! {
        biased;
        ended = connection.as_mut() => return ended.map_err(|error| ended_by(&error)),
        () = closing.drain.cancelled() => None,
        () = standing.evicted() => Some(ConnectionEnd::Evicted),
        () = standing.flooded() => Some(ConnectionEnd::TooManyResets),
        end = first_call_missing(&standing, first_call_due) => Some(end),
    };
    connection.as_mut().graceful_shutdown();
    let goaway_time = match end {
        // The place is needed now. One attempt to write is enough for GOAWAY.
        Some(ConnectionEnd::Evicted) => Duration::ZERO,
        _ => GOAWAY_TIME,
    };
    let Some(end) = end else {
        // Draining: as long as its calls take; `abort` ends that.
        return connection.await.map_err(|error| ended_by(&error));
    };
    // GOAWAY lets an honest client that was only idle come back without an error.
    let _ = timeout(goaway_time, connection).await;
    Err(end)
}

/// Resolves only if no call was let in by `due`.
async fn first_call_missing(standing: &Standing, due: Instant) -> ConnectionEnd {
    tokio::select! {
        biased;
        () = standing.admitted() => std::future::pending().await,
        () = sleep_until(due) => ConnectionEnd::FirstRequestTimeout,
    }
}

fn ended_by(error: &hyper::Error) -> ConnectionEnd {
    debug!(%error, "connection broken");
    let http2 = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>());
    let reason = http2.and_then(h2::Error::reason);
    if error.is_timeout() {
        ConnectionEnd::KeepaliveTimeout
    } else if reason == Some(h2::Reason::ENHANCE_YOUR_CALM) {
        ConnectionEnd::TooManyResets
    } else {
        ConnectionEnd::Broken
    }
}

/// Reads the first bytes, which hyper would wait for without a deadline.
async fn read_preface<T>(mut stream: T, standing: Standing) -> Result<Prefixed<T>, ConnectionEnd>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut preface = [0; PREFACE.len()];
    let mut filled = 0;
    while let Some(rest) = preface.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let length = stream.read(rest).await.map_err(|_| ConnectionEnd::Broken)?;
        if length == 0 {
            // A port scanner, or a probe that only connects.
            return Err(ConnectionEnd::Closed);
        }
        filled += length;
        if preface.get(..filled) != PREFACE.get(..filled) {
            let _ = answer_stranger(&mut stream, preface.first().copied()).await;
            return Err(ConnectionEnd::NotHttp2);
        }
    }
    let preface = Bytes::copy_from_slice(&preface);
    Ok(Prefixed::new(preface, stream, standing))
}

async fn answer_stranger<T: AsyncWrite + Unpin>(
    stream: &mut T,
    first: Option<u8>,
) -> io::Result<()> {
    // A letter: the method of an HTTP/1 request. A TLS record would be 0x16.
    if first.is_some_and(|byte| byte.is_ascii_uppercase()) {
        stream.write_all(NOT_HTTP2).await?;
    }
    stream.shutdown().await
}

/// The stack of layers, as one connection sees it.
#[derive(Clone)]
struct ConnectionService<S> {
    stack: S,
    standing: Standing,
    connect_info: TcpConnectInfo,
}

impl<S> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Unpin,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Oneshot<S, Request<Incoming>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let extensions = request.extensions_mut();
        extensions.insert(self.standing.clone());
        extensions.insert(self.connect_info.clone());
        Answering {
            call: self.stack.clone().oneshot(request),
            unanswered: Some(self.standing.unanswered_call()),
        }
    }
}

/// A call until it is answered. Dropped before that, it was given up by the client.
struct Answering<F> {
    call: F,
    unanswered: Option<UnansweredCall>,
}

impl<F: Future + Unpin> Future for Answering<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.call).poll(cx));
        if let Some(call) = self.unanswered.take() {
            call.answered();
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_says_how_long_it_is() {
        let text = std::str::from_utf8(NOT_HTTP2).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
    }
}
