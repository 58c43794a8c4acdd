//! The layer that sees every call: a span, a line when it ends, its figures.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Span, debug, debug_span, error, field, info, warn};

use super::audited::Audited;
use super::grpc::{GrpcMetrics, OpenCall};
use super::throttle::AUDIT;
use crate::auth::Identity;
use crate::listener::Standing;

/// Measures and logs every call.
#[derive(Clone)]
pub(crate) struct CallLayer {
    metrics: GrpcMetrics,
    calls_per_connection_max: u32,
}

impl CallLayer {
    /// Of calls of which `calls_per_connection_max` may be open on a connection.
    pub(crate) fn new(metrics: GrpcMetrics, calls_per_connection_max: u32) -> Self {
        Self {
            metrics,
            calls_per_connection_max,
        }
    }

    /// Tells of connections that can have no more calls open: the further calls of such a client
    /// wait inside it, and it hears of no error.
    fn call_begins(&self, standing: &Standing) {
        if standing.call_begins() == self.calls_per_connection_max {
            self.metrics.connection_has_all_calls();
            warn!(
                peer = %standing.peer(),
                calls = self.calls_per_connection_max,
                "a connection has as many calls open as limits.streams_per_connection allows; \
                 further calls wait in the client until one has ended"
            );
        }
    }

    fn call_ends(&self, standing: &Standing) {
        if standing.call_ends() == self.calls_per_connection_max {
            self.metrics.connection_has_room_again();
        }
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind a [`CallLayer`].
#[derive(Clone)]
pub(crate) struct CallService<S> {
    inner: S,
    layer: CallLayer,
}

impl<S, B> Service<Request<B>> for CallService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let call = Call::begin(&self.layer, &mut request);
        let span = call.span.clone();
        let future = span.in_scope(|| self.inner.call(request));
        CallFuture {
            future,
            call: Some(call),
        }
    }
}

/// One call from its beginning to its end, however that comes.
struct Call {
    open: OpenCall,
    layer: CallLayer,
    began: Instant,
    standing: Option<Standing>,
    identity: Option<Identity>,
    /// `None`: the call is not audited.
    audited: Option<Audited>,
    span: Span,
    ended: bool,
}

impl Call {
    fn begin<B>(layer: &CallLayer, request: &mut Request<B>) -> Self {
        let open = layer.metrics.begin(request.uri().path());
        let standing = request.extensions().get::<Standing>().cloned();
        if let Some(standing) = &standing {
            layer.call_begins(standing);
        }
        let audited = open.method().is_audited.then(Audited::default);
        if let Some(audited) = &audited {
            request.extensions_mut().insert(audited.clone());
        }
        let span = debug_span!(
            "call",
            method = %open.method().name,
            key = field::Empty,
            peer = standing.as_ref().map(|standing| field::display(standing.peer())),
        );
        Self {
            open,
            layer: layer.clone(),
            began: Instant::now(),
            standing,
            identity: None,
            audited,
            span,
            ended: false,
        }
    }

    fn identified(&mut self, identity: Identity) {
        self.span.record("key", identity.key_name());
        self.identity = Some(identity);
    }

    fn end(&mut self, code: Code, message: &str) {
        if self.ended {
            return;
        }
        self.ended = true;
        let took = self.began.elapsed();
        self.open.end(code, took);
        if let Some(standing) = &self.standing {
            self.layer.call_ends(standing);
        }
        let method = self.open.method();
        let key = self.identity.as_ref().map_or("", Identity::key_name);
        let peer = self
            .standing
            .as_ref()
            .map(Standing::peer)
            .map(field::display);
        let millis = took.as_secs_f64() * 1e3;
        let queue = self.audited.as_ref().and_then(Audited::queue);
        let job = self.audited.as_ref().and_then(Audited::job);
        // One set of fields, four levels: the level of a line cannot be a variable.
        macro_rules! line {
            ($level:ident, $text:literal, $($more:tt)*) => {
                $level!(
                    $($more)*
                    method = method.name, queue, job, key, peer, code = ?code, millis, $text
                )
            };
        }
        match code {
            // Something broke that should not. A fault of the peer is never one of these codes.
            Code::Internal | Code::Unknown | Code::DataLoss => {
                line!(error, "call failed", error = message,);
            }
            Code::Unauthenticated | Code::PermissionDenied => {
                line!(warn, "call refused", error = message,);
            }
            _ if method.is_audited => line!(info, "admin call", target: AUDIT,),
            Code::Ok => line!(debug, "call",),
            _ => line!(debug, "call", error = message,),
        }
    }

    /// Ends with the status in these headers or trailers, if there is one.
    fn end_with(&mut self, headers: &HeaderMap) {
        if headers.contains_key(Status::GRPC_STATUS)
            && let Some(status) = Status::from_header_map(headers)
        {
            self.end(status.code(), status.message());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // The caller went away, or its connection did.
        self.end(Code::Cancelled, "");
    }
}

/// The answer of a [`CallService`].
pub(crate) struct CallFuture<F> {
    future: F,
    call: Option<Call>,
}

impl<F> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _entered = this.call.as_ref().map(|call| call.span.enter());
        let Ok(mut response) = ready!(Pin::new(&mut this.future).poll(cx));
        drop(_entered);
        let Some(mut call) = this.call.take() else {
            return Poll::Ready(Ok(response));
        };
        if let Some(identity) = response.extensions_mut().remove::<Identity>() {
            call.identified(identity);
        }
        call.end_with(response.headers());
        Poll::Ready(Ok(if call.ended {
            response
        } else {
            response.map(|body| Body::new(CallBody { body, call }))
        }))
    }
}

/// The body of an answer: the status of the call is behind it.
struct CallBody {
    body: Body,
    call: Call,
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let entered = this.call.span.enter();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.end_with(trailers);
                }
            }
            Some(Err(status)) => this.call.end(status.code(), status.message()),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
