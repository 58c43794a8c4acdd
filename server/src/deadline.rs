//! The layer that gives each request a time by which all of it must be there.
//!
//! Otherwise a client that sends a part of a request holds it in memory for as long as it likes.
//! Streams of requests have no such time; a lease stream has one for its first request.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tower::{Layer, Service};

use crate::api::status::limit_reached;
use crate::auth::Identity;
use crate::config::Limits;
use crate::credit::NoCredit;

/// The calls with more than one request.
const STREAMS: [&str; 4] = [
    "/leaseq.v1.QueueService/PutStream",
    "/leaseq.v1.QueueService/Lease",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A time for a request, and the option that sets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Deadline {
    option: &'static str,
    after: Duration,
}

/// Gives requests their time.
#[derive(Clone, Debug)]
pub(crate) struct DeadlineLayer {
    without_key: Deadline,
    with_key: Deadline,
}

impl DeadlineLayer {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            without_key: Deadline {
                option: "limits.first_request_timeout",
                after: limits.first_request_timeout,
            },
            with_key: Deadline {
                option: "limits.request_timeout",
                after: limits.request_timeout,
            },
        }
    }

    /// The time for this request. A call that needed no key has no identity; its time also holds
    /// for streams.
    fn of<B>(&self, request: &Request<B>) -> Option<Deadline> {
        if request.extensions().get::<Identity>().is_none() {
            return Some(self.without_key);
        }
        let stream = STREAMS.contains(&request.uri().path());
        (!stream).then_some(self.with_key)
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind a [`DeadlineLayer`].
#[derive(Clone)]
pub(crate) struct DeadlineService<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S, B> Service<Request<B>> for DeadlineService<S>
where
    S: Service<Request<TimedBody<B>>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadline = self.layer.of(&request);
        let timed = |body| TimedBody {
            body,
            deadline,
            timer: None,
        };
        self.inner.call(request.map(timed))
    }
}

/// The body of a request that must be complete in time.
pub(crate) struct TimedBody<B> {
    body: B,
    deadline: Option<Deadline>,
    /// Set when the handler first has to wait for the body: nearly all requests come whole.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep(deadline.after)));
        std::task::ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(Box::new(too_late(deadline)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_late(deadline: Deadline) -> Status {
    limit_reached(NoCredit {
        limit: deadline.option,
        max: usize::try_from(deadline.after.as_millis()).unwrap_or(usize::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::STREAMS;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn the_streams_are_those_of_the_api() {
        let mut streams = Vec::new();
        for set in [
            leaseq_proto::FILE_DESCRIPTOR_SET,
            leaseq_proto::health::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            let set = FileDescriptorSet::decode(set).unwrap();
            for file in &set.file {
                for service in &file.service {
                    let (package, name) = (file.package(), service.name());
                    let methods = service.method.iter().filter(|m| m.client_streaming());
                    streams.extend(methods.map(|m| format!("/{package}.{name}/{}", m.name())));
                }
            }
        }
        streams.sort();
        let mut listed = STREAMS.map(str::to_owned);
        listed.sort();
        assert_eq!(streams, listed);
    }
}
