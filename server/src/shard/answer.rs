//! What a caller gets back from the shard.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use leaseq_engine::command::Command;
use leaseq_engine::effect::{Grant, Reply};
use leaseq_engine::id::{LeaseRef, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::transition::Content;
use tokio::sync::oneshot;

use super::inbox::Inbox;

/// A durable answer, with the contents it speaks of.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the engine said.
    pub(crate) reply: Reply,
    /// For `Got`: one for each grant. For a `Job` whose content was asked for and
    /// for a stored result: one. Otherwise none.
    pub(crate) contents: Vec<Content>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Refusal {
    /// A rule said no.
    Rejected(Rejection),
    /// The journal is still being read.
    Recovering,
    /// The server is shutting down.
    Draining,
    /// The journal could not be written: the server is about to end.
    StoreFailed,
    /// The content that was asked for cannot be read at the moment.
    ContentBusy,
    /// A limit of the shard is reached.
    Overloaded {
        /// The configuration key of the limit.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
}

pub(super) type AnswerResult = Result<Answer, Refusal>;

/// An answer under way. Dropping it abandons the call: a waiting Get gets no job,
/// and jobs that were leased for it meanwhile are taken back uncounted.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) ticket: Ticket,
    pub(super) receiver: oneshot::Receiver<AnswerResult>,
    pub(super) inbox: Inbox,
    pub(super) answered: bool,
}

impl Future for Pending {
    type Output = AnswerResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AnswerResult> {
        let polled = Pin::new(&mut self.receiver).poll(cx);
        polled.map(|received| {
            self.answered = true;
            // The sender is dropped unused only when the shard has ended.
            received.unwrap_or(Err(Refusal::StoreFailed))
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        // After `close` an answer is either here already or goes back to its sender,
        // which then takes the leases back itself: none falls between the two.
        self.receiver.close();
        let command = match self.receiver.try_recv() {
            Ok(Ok(answer)) => take_back(answer.reply),
            Ok(Err(_)) => None,
            Err(_) => Some(Command::Abandon {
                ticket: self.ticket,
            }),
        };
        if let Some(command) = command {
            self.inbox.tell(command);
        }
    }
}

/// The command that takes back what `reply` granted and nobody received.
pub(super) fn take_back(reply: Reply) -> Option<Command> {
    match reply {
        Reply::Got { grants, .. } if !grants.is_empty() => Some(Command::TakeBack {
            leases: leases_of(&grants),
        }),
        _ => None,
    }
}

/// The leases of these grants.
pub(super) fn leases_of(grants: &[Grant]) -> Vec<LeaseRef> {
    grants
        .iter()
        .map(|grant| LeaseRef {
            job: grant.job,
            lease: grant.lease,
        })
        .collect()
}
