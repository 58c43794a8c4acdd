//! What is said on a lease stream, as commands.
//!
//! On a stream a bad entry is a matter of its entry: the others, and the stream, go on.

use leaseq_engine::command::{Command, Extend, OpenSession, Settle, Settlement};
use leaseq_engine::id::{LeaseRef, SessionId, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_proto::v1::{ExtendRequest, ItemStatus, LeaseRequest, Open, Opened, SettleRequest};
use tonic::Streaming;

use super::Api;
use super::caller::Caller;
use super::convert::entries;
use super::convert::session::opening;
use super::convert::settle::{lease_duration, settlement};
use super::convert::text::progress;
use super::convert::time::wire_duration;
use super::fault::{Fault, Invalid};
use super::settle::lease;
use super::token::Tokens;
use crate::auth::Identity;
use crate::config::Limits;
use crate::dispatch::{self, Outbox};

/// A worker has this many chances to be heard before its leases end.
const HEARTBEATS_PER_LEASE: u32 = 3;

impl Api {
    pub(super) fn lease(
        &self,
        caller: Caller,
        requests: Streaming<LeaseRequest>,
    ) -> Result<Outbox, Fault> {
        let speech = Speech {
            tokens: Tokens::of(&self.shard)?,
            identity: caller.identity,
            limits: self.limits.clone(),
        };
        Ok(dispatch::carry(
            &self.shard,
            speech,
            requests,
            caller.credit,
        ))
    }
}

/// What one worker's requests are read with.
pub(crate) struct Speech {
    /// Reads and makes lease tokens.
    pub(crate) tokens: Tokens,
    /// Who speaks.
    pub(crate) identity: Identity,
    /// The limits of the server.
    pub(crate) limits: std::sync::Arc<Limits>,
}

/// The entries of a request in their order. One that was refused here is a `TokenInvalid` in the
/// command, which keeps its place; `refused` says what is answered in its stead.
pub(crate) struct Entries<T> {
    pub(crate) entries: Vec<Result<T, Rejection>>,
    pub(crate) refused: Vec<(usize, ItemStatus)>,
}

impl Speech {
    /// The command that opens a session, and the answer as far as it is known by now.
    pub(crate) fn open(
        &self,
        mut wire: Open,
    ) -> Result<(impl FnOnce(SessionId, Ticket) -> Command + use<>, Opened), Fault> {
        let tokens = std::mem::take(&mut wire.held_tokens);
        let opening = opening(wire, tokens.len(), &self.limits, &self.identity)
            .map_err(|fault| inside("open", fault))?;
        let opened = Opened {
            session_id: String::new(),
            heartbeat_interval: Some(wire_duration(opening.lease_duration / HEARTBEATS_PER_LEASE)),
            grace: Some(wire_duration(opening.grace)),
            lost_tokens: Vec::new(),
            lease_duration: Some(wire_duration(opening.lease_duration)),
        };
        // A token that is not ours, say of a server that was set up anew, holds nothing: it is
        // lost, and its worker has to stop.
        let (mut held, mut opened) = (Vec::with_capacity(tokens.len()), opened);
        for token in tokens {
            match self.tokens.lease(&token) {
                Some(lease) => held.push(lease),
                None => opened.lost_tokens.push(token),
            }
        }
        let scope = self.identity.scope().clone();
        let open = move |session, ticket| {
            Command::OpenSession(OpenSession {
                ticket,
                session,
                queues: opening.queues,
                worker: opening.worker,
                flow: opening.flow,
                lease_duration: opening.lease_duration,
                grace: opening.grace,
                held,
                scope,
            })
        };
        Ok((open, opened))
    }

    /// The command of verdicts, and which of them are refused already.
    pub(crate) fn settle(
        &self,
        wire: SettleRequest,
        random: u64,
    ) -> (
        impl FnOnce(SessionId, Ticket) -> Command + use<>,
        Vec<(usize, ItemStatus)>,
    ) {
        let Entries { entries, refused } = self.settlements(wire);
        let scope = self.identity.scope().clone();
        let settle = move |session, ticket| {
            Command::Settle(Settle {
                ticket,
                session: Some(session),
                scope,
                settlements: entries,
                random,
            })
        };
        (settle, refused)
    }

    /// The command of extensions, and which of them are refused already.
    pub(crate) fn extend(
        &self,
        wire: ExtendRequest,
    ) -> (
        impl FnOnce(SessionId, Ticket) -> Command + use<>,
        Vec<(usize, ItemStatus)>,
    ) {
        let count = wire.lease_tokens.len();
        let checked = entries(
            "extend.lease_tokens",
            count.max(1),
            self.limits.batch_jobs_max,
        )
        .and_then(|()| lease_duration(wire.lease_duration.as_ref(), &self.limits))
        .and_then(|duration| Ok((duration, progress("progress", wire.progress)?)));
        let (leases, refused, lease_duration, progress) = match checked {
            Ok((duration, progress)) => {
                let leases = wire.lease_tokens.iter();
                let leases = leases.map(|token| lease(&self.tokens, token)).collect();
                (leases, Vec::new(), duration, progress)
            }
            Err(invalid) => {
                let Entries { entries, refused } = all_refused::<LeaseRef>(count, invalid);
                (entries, refused, None, Box::default())
            }
        };
        let scope = self.identity.scope().clone();
        let extend = move |session, ticket| {
            Command::Extend(Extend {
                ticket,
                session: Some(session),
                scope,
                leases,
                lease_duration,
                progress,
            })
        };
        (extend, refused)
    }

    fn settlements(&self, wire: SettleRequest) -> Entries<Settlement> {
        let (wire, max) = (wire.settlements, self.limits.batch_jobs_max);
        // An empty list is a sign of life with an empty answer.
        if let Err(invalid) = entries("settlements", wire.len().max(1), max) {
            return all_refused(wire.len(), invalid);
        }
        let mut refused = Vec::new();
        let entries = wire.into_iter().enumerate().map(|(index, wire)| {
            match settlement(wire, &self.limits) {
                Ok((token, verdict)) => {
                    lease(&self.tokens, &token).map(|lease| Settlement { lease, verdict })
                }
                Err(invalid) => {
                    let fault = Fault::from(invalid.inside_entry("settlements", index));
                    refused.push((index, (&fault).into()));
                    Err(Rejection::TokenInvalid)
                }
            }
        });
        Entries {
            entries: entries.collect(),
            refused,
        }
    }
}

/// Every entry of a request that is refused as a whole.
fn all_refused<T>(count: usize, invalid: Invalid) -> Entries<T> {
    let fault = Fault::from(invalid);
    let entry = |_| Err(Rejection::TokenInvalid);
    Entries {
        entries: (0..count).map(entry).collect(),
        refused: (0..count).map(|index| (index, (&fault).into())).collect(),
    }
}

/// The same fault with its field seen from the stream's request.
pub(crate) fn inside(outer: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Invalid(invalid) => invalid.inside(outer).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
