//! The places of calls that need no key, on a connection that has shown none.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::standing::Standing;

/// The place of one call. Dropping it frees it.
pub(crate) struct OpenCall(Standing);

impl OpenCall {
    pub(super) fn new(standing: Standing) -> Self {
        Self(standing)
    }

    /// The body of the answer, which keeps the place until its end.
    pub(crate) fn with(self, body: Body) -> Body {
        Body::new(Held {
            body,
            _open_call: self,
        })
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open_call_ended();
    }
}

struct Held {
    body: Body,
    _open_call: OpenCall,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
