//! Settle.

use bytes::Bytes;
use leaseq_engine::command::{Command, Settle, Settlement};
use leaseq_engine::effect::Reply;
use leaseq_engine::id::LeaseRef;
use leaseq_engine::rejection::Rejection;
use leaseq_proto::v1::{ItemStatus, SettleRequest, SettleResponse};

use super::Api;
use super::caller::Caller;
use super::convert::entries;
use super::convert::settle::settlement;
use super::fault::{Fault, Invalid};
use super::status::of_entry;
use super::token::Tokens;

impl Api {
    /// A settlement with a bad field refuses the call before anything is done. A token that is
    /// none of ours is a matter of its entry, unless the call has no other.
    pub(super) async fn settle(
        &self,
        caller: &Caller,
        request: SettleRequest,
    ) -> Result<SettleResponse, Fault> {
        let wire = request.settlements;
        entries("settlements", wire.len(), self.limits.batch_jobs_max)?;
        let tokens = Tokens::of(&self.shard)?;
        let mut settlements = Vec::with_capacity(wire.len());
        for (index, wire) in wire.into_iter().enumerate() {
            let (token, verdict) = settlement(wire, &self.limits)
                .map_err(|invalid| invalid.inside_entry("settlements", index))?;
            settlements.push(lease(&tokens, &token).map(|lease| Settlement { lease, verdict }));
        }
        if settlements.iter().all(Result::is_err) {
            return Err(Invalid::token("settlements[0].lease_token").into());
        }
        let scope = caller.identity.scope().clone();
        let random = self.shard.random();
        let settle = move |ticket| {
            Command::Settle(Settle {
                ticket,
                session: None,
                scope,
                settlements,
                random,
            })
        };
        let Reply::Settled(results) = self.ask(settle).await? else {
            return Err(Fault::other_answer());
        };
        Ok(SettleResponse {
            results: results.iter().map(item_status).collect(),
        })
    }
}

/// The lease of a token, as the entry of a command.
pub(super) fn lease(tokens: &Tokens, token: &Bytes) -> Result<LeaseRef, Rejection> {
    tokens.lease(token).ok_or(Rejection::TokenInvalid)
}

/// What became of one entry. OK costs nothing.
pub(crate) fn item_status(result: &Result<(), Rejection>) -> ItemStatus {
    match result {
        Ok(()) => ItemStatus::default(),
        Err(rejection) => of_entry(rejection),
    }
}
