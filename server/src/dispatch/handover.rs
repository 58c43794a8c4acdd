//! Jobs between our answer and the wire.
//!
//! The answer to a Get may never be sent: its caller may have gone away while it was being made.
//! Until the transport has taken the whole answer, a `Handover` stands for its leases; dropped
//! before that, it gives them back, uncounted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use leaseq_engine::command::Command;
use leaseq_engine::effect::Grant;
use leaseq_engine::id::LeaseRef;
use tonic::Status;
use tonic::body::Body;

use crate::shard::ShardHandle;

/// Leases that go with a response. Rides in its extensions, then in its body.
#[derive(Clone)]
pub(crate) struct Handover(Arc<Inner>);

struct Inner {
    shard: ShardHandle,
    leases: Vec<LeaseRef>,
    done: AtomicBool,
}

impl Handover {
    /// Stands for the leases of `grants`.
    pub(crate) fn new(shard: &ShardHandle, grants: &[Grant]) -> Self {
        Self(Arc::new(Inner {
            shard: shard.clone(),
            leases: leases(grants),
            done: AtomicBool::new(false),
        }))
    }

    /// The body of the response, which takes the transport's hand for the client's.
    pub(super) fn with(self, body: Body) -> Body {
        Body::new(Carried {
            body,
            handover: self,
        })
    }

    fn done(&self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.done.get_mut() && !self.leases.is_empty() {
            let leases = std::mem::take(&mut self.leases);
            self.shard.tell(Command::TakeBack { leases });
        }
    }
}

/// The leases of these grants.
pub(super) fn leases(grants: &[Grant]) -> Vec<LeaseRef> {
    let lease = |grant: &Grant| LeaseRef {
        job: grant.job,
        lease: grant.lease,
    };
    grants.iter().map(lease).collect()
}

/// A body that ends the handover when its end has been taken.
struct Carried {
    body: Body,
    handover: Handover,
}

impl http_body::Body for Carried {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // The trailers are the last that a gRPC response has.
        let end = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            _ => false,
        };
        if end {
            self.handover.done();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
