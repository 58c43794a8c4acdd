//! The body of an answer, whose bytes are charged to the connection until they are written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::api::status::limit_reached;
use crate::credit::Credit;
use crate::listener::Progress;

/// The transport is given an answer in parts of this many bytes. It takes the next part only when
/// the client has room for some of the last one, so this bounds what it buffers beyond that room.
/// As large as the largest frame, so that it costs no additional frames.
const PART_BYTES: usize = 128 << 10;

/// Shorter answers of single calls are not worth the work: a call has only one.
const CHARGED_BYTES_MIN: usize = 1 << 10;

/// What happens when there is no credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shortage {
    /// The call is refused: it has changed nothing, or what it did can be taken back.
    Refuse,
    /// The answer goes out all the same: it tells of something that has been done.
    Exceed,
    /// The stream waits.
    Wait,
}

/// A body that is metered.
pub(super) struct Metered {
    body: Body,
    credit: Credit,
    shortage: Shortage,
    /// Charged and not given to the transport yet.
    rest: Bytes,
    /// Tells the call's task whether the client takes what it is sent.
    progress: Progress,
}

impl Metered {
    pub(super) fn new(body: Body, credit: Credit, shortage: Shortage) -> Self {
        let progress = Progress::of_this_call();
        if shortage == Shortage::Wait {
            progress.may_pause_with(credit.clone());
        }
        Self {
            body,
            credit,
            shortage,
            rest: Bytes::new(),
            progress,
        }
    }

    /// The next part of what is charged already.
    fn part(&mut self) -> Option<Bytes> {
        (!self.rest.is_empty()).then(|| self.rest.split_to(PART_BYTES.min(self.rest.len())))
    }

    /// Charges these bytes. `Err`: the call is refused with this status.
    fn charge(&mut self, bytes: Bytes) -> Result<Bytes, Status> {
        if self.shortage != Shortage::Wait && bytes.len() < CHARGED_BYTES_MIN {
            return Ok(bytes);
        }
        let charge = match self.shortage {
            Shortage::Refuse => self.credit.take(bytes.len()).map_err(limit_reached)?,
            Shortage::Exceed | Shortage::Wait => self.credit.force(bytes.len()),
        };
        Ok(charge.on(bytes))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(part) = self.part() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        if self.shortage == Shortage::Wait {
            ready!(self.credit.poll_left(cx));
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let data = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
            Err(status) => return Poll::Ready(Some(Err(status))),
        };
        match self.charge(data) {
            Ok(data) => {
                self.rest = data;
                let part = self.part().unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            Err(status) => {
                // Its drop takes back what the answer would have handed over.
                self.body = Body::empty();
                let mut trailers = HeaderMap::new();
                let added = status.add_header(&mut trailers);
                Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
            }
        }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // The transport asks for more when the client has taken what came before.
        self.progress.taken();
        let polled = self.poll(cx);
        if matches!(&polled, Poll::Ready(Some(Ok(frame))) if frame.is_data()) {
            self.progress.given();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
