//! The last of ours before the transport: a service around a generated one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::handover::Handover;
use crate::api::status::adopted;

/// A generated service whose answers are ours to the end: leases that do not get out come back,
/// and a status that the library made by itself says what every status of this server says.
#[derive(Clone, Debug)]
pub(crate) struct Edge<S> {
    inner: S,
    request_bytes_max: usize,
}

impl<S> Edge<S> {
    pub(crate) fn new(inner: S, request_bytes_max: usize) -> Self {
        Self {
            inner,
            request_bytes_max,
        }
    }
}

impl<S: NamedService> NamedService for Edge<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Edge<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
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
