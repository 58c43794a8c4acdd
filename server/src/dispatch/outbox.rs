//! What the shard says to a session, on its way to the worker.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use leaseq_engine::command::Command;
use leaseq_engine::effect::Grant;
use leaseq_engine::id::QueueName;
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_proto::v1::lease_response::Response;
use leaseq_proto::v1::{Cancel, Deliver, Drain, LeaseResponse};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::due::Due;
use super::handover::leases;
use crate::api::convert::job::fitting;
use crate::api::convert::leased::encoded_jobs;
use crate::api::convert::time::timestamp;
use crate::api::fault::Fault;
use crate::api::token::Tokens;
use crate::credit::Charge;
use crate::shard::{Answer, Refusal, SessionEvent, SessionLink, ShardHandle};

/// Deliveries are cut into messages of this many bytes, or one job: clients refuse messages of
/// more than 4 MiB by default, and a small message does not hold up what comes behind it.
const MESSAGE_BYTES: usize = 1 << 20;

/// One session's stream of messages. Dropping it closes the session; what was not sent yet is
/// taken back.
pub(crate) struct Outbox {
    link: SessionLink,
    shard: ShardHandle,
    tokens: Tokens,
    due: mpsc::Receiver<Due>,
    /// What is owed next.
    next_due: Option<Due>,
    /// An answer of the shard that came before it was known to be due.
    answer: Option<Result<Answer, Refusal>>,
    /// What is left of a delivery that is sent in parts.
    delivery: Option<Delivery>,
    /// The worker says nothing more.
    hung_up: bool,
    ended: bool,
    _inbound: AbortOnDropHandle<()>,
}

/// A message, or why the stream ends.
type Message = Result<Response, Status>;

struct Delivery {
    queue: QueueName,
    grants: vec::IntoIter<Grant>,
    contents: vec::IntoIter<Content>,
    expire_time: Time,
    _charge: Option<Charge>,
}

impl Outbox {
    pub(super) fn new(
        link: SessionLink,
        shard: ShardHandle,
        tokens: Tokens,
        due: mpsc::Receiver<Due>,
        inbound: AbortOnDropHandle<()>,
    ) -> Self {
        Self {
            link,
            shard,
            tokens,
            due,
            next_due: None,
            answer: None,
            delivery: None,
            hung_up: false,
            ended: false,
            _inbound: inbound,
        }
    }

    /// The next message; `None`: the stream ends well.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if let Some(part) = self.delivery_part() {
                return Poll::Ready(Some(Ok(Response::Deliver(part))));
            }
            if self.next_due.is_none() && !self.hung_up {
                match self.due.poll_recv(cx) {
                    Poll::Ready(Some(due)) => self.next_due = Some(due),
                    Poll::Ready(None) => self.hung_up = true,
                    Poll::Pending => {}
                }
            }
            if let Some(message) = self.settle_due() {
                return Poll::Ready(Some(message));
            }
            if self.hung_up && self.next_due.is_none() {
                return Poll::Ready(None);
            }
            if self.answer.is_some() {
                // It is due, and about to be known to be.
                return Poll::Pending;
            }
            match self.link.events.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(event)) => {
                    if let Some(message) = self.event(event) {
                        return Poll::Ready(Some(message));
                    }
                }
                // The shard lets go of a session that was closed on its side.
                Poll::Ready(None) => return self.poll_end(cx),
            }
        }
    }

    /// What is owed next, if it is there.
    fn settle_due(&mut self) -> Option<Message> {
        match self.next_due.take()? {
            Due::Ready(response) => Some(Ok(response)),
            Due::End(status) => Some(Err(status)),
            Due::Answer(asked) => match self.answer.take() {
                Some(Ok(answer)) => Some(
                    asked
                        .answered(answer.reply, &self.tokens, self.shard.offset())
                        .map_err(Status::from),
                ),
                Some(Err(refusal)) => Some(Err(Fault::from(refusal).into())),
                None => {
                    self.next_due = Some(Due::Answer(asked));
                    None
                }
            },
        }
    }

    fn event(&mut self, event: SessionEvent) -> Option<Message> {
        match event {
            SessionEvent::Answer(answer) => {
                self.answer = Some(answer);
                None
            }
            SessionEvent::Deliver {
                queue,
                grants,
                contents,
                expire_time,
                charge,
            } => {
                self.delivery = Some(Delivery {
                    queue,
                    grants: grants.into_iter(),
                    contents: contents.into_iter(),
                    expire_time,
                    _charge: charge,
                });
                if self.hung_up {
                    self.take_back();
                }
                None
            }
            SessionEvent::AskCancel { leases } => {
                let lease_tokens = leases.into_iter().map(|lease| self.tokens.token(lease));
                Some(Ok(Response::Cancel(Cancel {
                    lease_tokens: lease_tokens.collect(),
                })))
            }
            SessionEvent::Expired => Some(Err(Fault::SessionExpired.into())),
            SessionEvent::Drain => Some(Ok(Response::Drain(Drain {
                reason: "the server is shutting down".to_owned(),
            }))),
            SessionEvent::Failed(refusal) => Some(Err(Fault::from(refusal).into())),
        }
    }

    /// The shard says nothing more: the worker is told why, if the other half knows.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match self.next_due.take() {
                Some(Due::End(status)) => return Poll::Ready(Some(Err(status))),
                Some(Due::Ready(response)) => return Poll::Ready(Some(Ok(response))),
                // It will not be answered any more.
                Some(Due::Answer(_)) | None => {}
            }
            match self.due.poll_recv(cx) {
                Poll::Ready(Some(due)) => self.next_due = Some(due),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// As much of the delivery as fits one message.
    fn delivery_part(&mut self) -> Option<Deliver> {
        let delivery = self.delivery.as_mut()?;
        let (grants, contents) = (delivery.grants.as_slice(), delivery.contents.as_slice());
        let count = fitting(grants, contents, MESSAGE_BYTES);
        let grants = delivery.grants.by_ref().take(count);
        let offset = self.shard.offset();
        let part = Deliver {
            queue: delivery.queue.as_str().to_owned(),
            jobs: encoded_jobs(&self.tokens, grants, contents, offset),
            expire_time: Some(timestamp(delivery.expire_time, offset)),
        };
        delivery.contents.by_ref().take(count).for_each(drop);
        if delivery.grants.as_slice().is_empty() {
            self.delivery = None;
        }
        (!part.jobs.is_empty()).then_some(part)
    }

    /// What was delivered and not sent goes back, uncounted.
    fn take_back(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            let leases = leases(delivery.grants.as_slice());
            self.shard.tell(Command::TakeBack { leases });
        }
    }
}

impl Stream for Outbox {
    type Item = Result<LeaseResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.poll_message(cx).map(|message| {
            self.ended = !matches!(message, Some(Ok(_)));
            message.map(|message| {
                let response = message?;
                Ok(LeaseResponse {
                    response: Some(response),
                })
            })
        })
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.take_back();
    }
}
