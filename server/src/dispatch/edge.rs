//! The last of ours before the transport: a service around a generated one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::handover::Handover;
use super::request::RequestBody;
use crate::api::status::adopted;

/// A generated service whose answers are ours to the end: leases that do not get out come back,
/// and a status that the library made by itself says what every status of this server says. A
/// call that takes one message is refused if it has more.
#[derive(Clone, Debug)]
pub(crate) struct Edge<S> {
    inner: S,
    request_bytes_max: usize,
    /// The paths of the methods that take a stream of messages.
    streams: &'static [&'static str],
}

impl<S> Edge<S> {
    /// Around `inner`, whose methods at the paths `streams` take a stream of messages.
    pub(crate) fn new(
        inner: S,
        request_bytes_max: usize,
        streams: &'static [&'static str],
    ) -> Self {
        Self {
            inner,
            request_bytes_max,
            streams,
        }
    }
}

/// Leaves a compressed answer to callers whose request is compressed: most clients say with every
/// call that they could read one, and compressing small answers takes longer than sending them.
fn answer_as_asked(headers: &mut HeaderMap) {
    let compressed = headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding != "identity");
    if !compressed {
        headers.remove("grpc-accept-encoding");
    }
}

impl<S: NamedService> NamedService for Edge<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Edge<S>
where
    S: Service<Request<RequestBody<Body>>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        answer_as_asked(request.headers_mut());
        let takes_one_message = !self.streams.contains(&request.uri().path());
        let request = request.map(|body| RequestBody::new(body, takes_one_message));
        EdgeFuture {
            inner: self.inner.call(request),
            request_bytes_max: self.request_bytes_max,
        }
    }
}

/// The answer of an `Edge`.
#[derive(Debug)]
pub(crate) struct EdgeFuture<F> {
    inner: F,
    request_bytes_max: usize,
}

impl<F> Future for EdgeFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = match ready!(Pin::new(&mut self.inner).poll(cx)) {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(handover) = response.extensions_mut().remove::<Handover>() {
            return Poll::Ready(Ok(response.map(|body| handover.with(body))));
        }
        let refused = Status::from_header_map(response.headers())
            .filter(|status| status.code() != Code::Ok && status.details().is_empty());
        Poll::Ready(Ok(match refused {
            Some(status) => adopted(&status, self.request_bytes_max).into_http(),
            None => response,
        }))
    }
}
