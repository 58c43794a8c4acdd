//! Lets gRPC calls in and nothing else: a layer before authentication that looks at the method,
//! the content type and the size of the metadata.
//!
//! Other requests are answered with the HTTP status that the gRPC specification names and with a
//! gRPC status, so that browsers, proxies and gRPC clients all see why.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use leaseq_proto::v1::ErrorReason;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::api::status::metadata_too_large;
use crate::refusal::status;

/// HTTP/2 counts this much for each header beside its name and value.
const HEADER_OVERHEAD_BYTES: usize = 32;

/// The transport decodes this many times the metadata that is allowed, so that a call with more
/// is refused by name. Beyond that it answers HTTP 431, or ends the connection.
pub(crate) const DECODED_METADATA_FACTOR: u32 = 4;

/// Refuses what is no gRPC call.
#[derive(Clone, Copy)]
pub(crate) struct ProtocolLayer {
    header_bytes_max: usize,
}

impl ProtocolLayer {
    /// Lets calls in whose metadata has at most `header_bytes_max` bytes.
    pub(crate) fn new(header_bytes_max: u32) -> Self {
        Self {
            header_bytes_max: usize::try_from(header_bytes_max).unwrap_or(usize::MAX),
        }
    }

    fn refusal<B>(self, request: &Request<B>) -> Option<Response<Body>> {
        if request.method() != Method::POST {
            let text = "a gRPC call is an HTTP POST; nothing was done";
            return Some(unsupported(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
            let text = "the content-type must be application/grpc or application/grpc+proto; \
                        nothing was done";
            return Some(unsupported(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let bytes = bytes_of(request);
        (bytes > self.header_bytes_max)
            .then(|| metadata_too_large(bytes, self.header_bytes_max).into_http())
    }
}

fn unsupported(http: StatusCode, text: &str) -> Response<Body> {
    let status: Status = status(Code::Unimplemented, ErrorReason::Unsupported, text);
    let mut response = status.into_http();
    *response.status_mut() = http;
    if http == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("POST");
        response.headers_mut().insert(http::header::ALLOW, allowed);
    }
    response
}

/// Whether this is a content type of gRPC with protobuf, with or without parameters.
fn is_grpc(content_type: &HeaderValue) -> bool {
    let bytes = content_type.as_bytes();
    let essence = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii_end();
    essence.eq_ignore_ascii_case(b"application/grpc")
        || essence.eq_ignore_ascii_case(b"application/grpc+proto")
}

/// The size of the metadata as HTTP/2 counts it.
fn bytes_of<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let pseudo = ":method:scheme:authority:path".len()
        + request.method().as_str().len()
        + uri.scheme_str().map_or(0, str::len)
        + uri
            .authority()
            .map_or(0, |authority| authority.as_str().len())
        + uri.path_and_query().map_or(0, |path| path.as_str().len())
        + 4 * HEADER_OVERHEAD_BYTES;
    pseudo + header_bytes(request.headers())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES)
        .sum()
}

impl<S> Layer<S> for ProtocolLayer {
    type Service = ProtocolService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ProtocolService {
            inner,
            layer: *self,
        }
    }
}

/// A service behind a [`ProtocolLayer`].
#[derive(Clone)]
pub(crate) struct ProtocolService<S> {
    inner: S,
    layer: ProtocolLayer,
}

impl<S, B> Service<Request<B>> for ProtocolService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ProtocolFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.refusal(&request) {
            None => ProtocolFuture::Call(self.inner.call(request)),
            Some(refusal) => ProtocolFuture::Refused(Some(Box::new(refusal))),
        }
    }
}

/// The answer of a [`ProtocolService`].
pub(crate) enum ProtocolFuture<F> {
    Call(F),
    Refused(Option<Box<Response<Body>>>),
}

impl<F> Future for ProtocolFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Call(future) => Pin::new(future).poll(cx),
            Self::Refused(refusal) => {
                Poll::Ready(Ok(refusal.take().map(|boxed| *boxed).unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc_with_protobuf_are_let_in_and_no_others() {
        for right in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
            "application/grpc+proto ; a=b",
            "Application/GRPC",
        ] {
            assert!(is_grpc(&HeaderValue::from_static(right)), "{right}");
        }
        for wrong in [
            "",
            "application/grpcx",
            "application/grpc+json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/x-protobuf",
            "text/plain; application/grpc",
        ] {
            assert!(!is_grpc(&HeaderValue::from_static(wrong)), "{wrong}");
        }
    }
}
