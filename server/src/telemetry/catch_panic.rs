//! A panic in a handler is a bug, and the end of its call alone: it is answered
//! with INTERNAL, counted, and logged by the panic hook with its place.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use leaseq_proto::v1::ErrorReason;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::grpc::GrpcMetrics;

/// Answers calls whose handler panics.
#[derive(Clone)]
pub(crate) struct CatchPanicLayer {
    metrics: GrpcMetrics,
}

impl CatchPanicLayer {
    pub(crate) fn new(metrics: GrpcMetrics) -> Self {
        Self { metrics }
    }

    fn status(&self, _: Box<dyn Any + Send>) -> Status {
        self.metrics.panicked();
        internal()
    }
}

fn internal() -> Status {
    crate::refusal::status(
        Code::Internal,
        ErrorReason::Internal,
        "a bug in the server ended this call; its log has the place",
    )
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanicService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanicService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind a [`CatchPanicLayer`].
#[derive(Clone)]
pub(crate) struct CatchPanicService<S> {
    inner: S,
    layer: CatchPanicLayer,
}

impl<S, B> Service<Request<B>> for CatchPanicService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CatchPanicFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CatchPanicFuture {
            future: catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))
                .map_err(|panic| Some(self.layer.status(panic))),
            layer: self.layer.clone(),
        }
    }
}

/// The answer of a [`CatchPanicService`].
pub(crate) struct CatchPanicFuture<F> {
    future: Result<F, Option<Status>>,
    layer: CatchPanicLayer,
}

impl<F> Future for CatchPanicFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = match &mut this.future {
            Ok(future) => catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx)))
                .map_err(|panic| this.layer.status(panic)),
            Err(status) => Err(status.take().unwrap_or_else(internal)),
        };
        Poll::Ready(Ok(match polled {
            Ok(polled) => {
                let Ok(response) = ready!(polled);
                let layer = this.layer.clone();
                response.map(|body| {
                    if http_body::Body::is_end_stream(&body) {
                        body
                    } else {
                        Body::new(CatchPanicBody { body, layer })
                    }
                })
            }
            Err(status) => status.into_http(),
        }))
    }
}

/// A streamed answer is made while its body is sent, so panics come there too.
struct CatchPanicBody {
    body: Body,
    layer: CatchPanicLayer,
}

impl http_body::Body for CatchPanicBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let body = &mut this.body;
        catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))).unwrap_or_else(|panic| {
            let status = this.layer.status(panic);
            // The body is in an unknown state: nothing more is asked of it.
            this.body = Body::empty();
            let mut trailers = http::HeaderMap::new();
            Poll::Ready(Some(match status.add_header(&mut trailers) {
                Ok(()) => Ok(Frame::trailers(trailers)),
                Err(status) => Err(status),
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
