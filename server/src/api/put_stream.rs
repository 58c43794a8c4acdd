//! PutStream: many Puts in flight on one stream.
//!
//! Puts are submitted as they arrive, without waiting for the answers before them, so that a
//! stream fills the shard's batches by itself. Answers leave in the order of the requests. The
//! stream is read only while it has less than a bounded number of unanswered Puts.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use leaseq_proto::v1::{PutStreamRequest, PutStreamResponse};
use prost::Message;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::caller::Caller;
use super::fault::{Fault, Invalid};
use super::lease::inside;
use super::put::put_answer;
use super::{Api, status};
use crate::shard::Pending;

/// Unanswered Puts of a stream hold at most this many of the largest requests: together with
/// their number this bounds what a stream can make the server keep in memory.
const REQUESTS_OF_BYTES_MAX: usize = 4;

impl Api {
    pub(super) fn put_stream(
        &self,
        caller: Caller,
        requests: Streaming<PutStreamRequest>,
    ) -> PutAnswers {
        PutAnswers {
            revoked: Box::pin(caller.identity.revoked()),
            api: self.clone(),
            caller,
            requests: Some(requests),
            unanswered: VecDeque::new(),
            unanswered_bytes: 0,
            broken: None,
        }
    }
}

/// The answers of one stream. Dropping it abandons the Puts that still wait for room.
pub(crate) struct PutAnswers {
    api: Api,
    caller: Caller,
    /// `None`: the client has sent its last.
    requests: Option<Streaming<PutStreamRequest>>,
    unanswered: VecDeque<Unanswered>,
    unanswered_bytes: usize,
    /// Why the stream ends when the answers so far have left.
    broken: Option<Status>,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct Unanswered {
    bytes: usize,
    answer: Answer,
}

enum Answer {
    Pending(Pending),
    /// Refused before it got to the shard; keeps its place in the order.
    Refused(Box<Fault>),
}

impl PutAnswers {
    /// Submits what has arrived, as far as there is room for it.
    fn take_in(&mut self, cx: &mut Context<'_>) {
        let bytes_max = REQUESTS_OF_BYTES_MAX * self.api.limits.request_bytes_max;
        while self.unanswered.len() < crate::dispatch::UNANSWERED_MAX
            && self.unanswered_bytes < bytes_max
        {
            let Some(requests) = &mut self.requests else {
                return;
            };
            match Pin::new(requests).poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(request))) => self.submit(request),
                Poll::Ready(Some(Err(broken))) => {
                    self.requests = None;
                    self.broken = Some(status::adopted(&broken, self.api.limits.request_bytes_max));
                }
                Poll::Ready(None) => self.requests = None,
            }
        }
    }

    fn submit(&mut self, request: PutStreamRequest) {
        let bytes = request.encoded_len();
        let answer = match self.pending(request) {
            Ok(pending) => Answer::Pending(pending),
            Err(fault) => Answer::Refused(Box::new(fault)),
        };
        self.unanswered_bytes += bytes;
        self.unanswered.push_back(Unanswered { bytes, answer });
    }

    fn pending(&self, request: PutStreamRequest) -> Result<Pending, Fault> {
        let put = request
            .put
            .ok_or_else(|| Invalid::new("put", "is not set"))?;
        let command = self
            .api
            .put_command(&self.caller, put)
            .map_err(|fault| inside("put", fault))?;
        Ok(self.api.shard.submit(command)?)
    }

    fn answered(&mut self) -> Option<Unanswered> {
        let answered = self.unanswered.pop_front()?;
        self.unanswered_bytes -= answered.bytes;
        Some(answered)
    }
}

impl Stream for PutAnswers {
    type Item = Result<PutStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.poll_answer(cx);
        if polled.is_pending() && self.revoked.as_mut().poll(cx).is_ready() {
            self.requests = None;
            self.unanswered.clear();
            self.revoked = Box::pin(std::future::pending());
            return Poll::Ready(Some(Err(Fault::Revoked.into())));
        }
        polled
    }
}

impl PutAnswers {
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<PutStreamResponse, Status>>> {
        self.take_in(cx);
        let answer = match self.unanswered.front_mut().map(|first| &mut first.answer) {
            Some(Answer::Pending(pending)) => {
                let answered = ready!(Pin::new(pending).poll(cx));
                response(answered.map_err(Fault::from).map(|answer| answer.reply))
            }
            Some(Answer::Refused(fault)) => refused(fault),
            None if self.requests.is_some() => return Poll::Pending,
            None => return Poll::Ready(self.broken.take().map(Err)),
        };
        self.answered();
        // There is room for one more now: it is looked for when this answer has been taken.
        Poll::Ready(Some(Ok(answer)))
    }
}

fn response(reply: Result<leaseq_engine::effect::Reply, Fault>) -> PutStreamResponse {
    match reply.and_then(put_answer) {
        Ok((job_ids, deduplicated)) => PutStreamResponse {
            job_ids,
            deduplicated,
            status: None,
        },
        Err(fault) => refused(&fault),
    }
}

fn refused(fault: &Fault) -> PutStreamResponse {
    PutStreamResponse {
        status: Some(fault.into()),
        ..PutStreamResponse::default()
    }
}
