//! Carries: the two directions of a lease stream, and what happens at the edge between our
//! answers and the wire.
//!
//! A lease stream is two halves that share no state. `Inbound`, a task, turns what the worker says
//! into commands. `Outbox`, which the transport polls, turns what the shard says into messages.
//! `Inbound` tells `Outbox` over one bounded, ordered channel which answers are due; when that is
//! full it reads no more, which is the whole of the stream's back-pressure. Who goes away first
//! ends the other: the drop of `Outbox` stops `Inbound` and closes the session.
//!
//! Nothing is chosen here: which worker gets which job, and how much it may hold, is the engine's.

mod due;
mod edge;
mod handover;
mod inbound;
mod metered;
mod metering;
mod outbox;
mod request;

use leaseq_proto::v1::LeaseRequest;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;

use crate::api::lease::Speech;
use crate::credit::Credit;
use crate::shard::ShardHandle;
use inbound::Inbound;

pub(crate) use edge::Edge;
pub(crate) use handover::Handover;
pub(crate) use metering::{Metering, TakenBack};
pub(crate) use outbox::Outbox;

/// How many requests of one stream may be unanswered. More are not read until one is answered.
pub(crate) const UNANSWERED_MAX: usize = 64;

/// Begins to carry a lease stream: the answers to `requests`.
pub(crate) fn carry(
    shard: &ShardHandle,
    speech: Speech,
    requests: Streaming<LeaseRequest>,
    credit: Option<Credit>,
) -> Outbox {
    let link = shard.link(credit);
    let (due_sender, due) = mpsc::channel(UNANSWERED_MAX);
    let tokens = speech.tokens.clone();
    let inbound = Inbound::new(link.sender(), shard.clone(), speech, due_sender);
    let inbound = AbortOnDropHandle::new(tokio::spawn(inbound.run(requests)));
    Outbox::new(link, shard.clone(), tokens, due, inbound)
}
