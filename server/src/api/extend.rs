//! Extend.

use leaseq_engine::command::{Command, Extend};
use leaseq_engine::effect::{Extension, Reply};
use leaseq_engine::rejection::Rejection;
use leaseq_proto::v1::{ExtendRequest, ExtendResponse, ExtendResult};

use super::Api;
use super::caller::Caller;
use super::convert::entries;
use super::convert::settle::lease_duration;
use super::convert::text::progress;
use super::convert::time::timestamp;
use super::fault::{Fault, Invalid};
use super::settle::lease;
use super::status::of_entry;
use super::token::Tokens;
use crate::shard::WallOffset;

impl Api {
    /// As with Settle, a token that is none of ours is a matter of its entry, unless the call has
    /// no other.
    pub(super) async fn extend(
        &self,
        caller: &Caller,
        request: ExtendRequest,
    ) -> Result<ExtendResponse, Fault> {
        let wire = request.lease_tokens;
        entries("lease_tokens", wire.len(), self.limits.batch_jobs_max)?;
        let lease_duration = lease_duration(request.lease_duration.as_ref(), &self.limits)?;
        let progress = progress("progress", request.progress)?;
        let tokens = Tokens::of(&self.shard)?;
        let leases: Vec<_> = wire.iter().map(|token| lease(&tokens, token)).collect();
        if leases.iter().all(Result::is_err) {
            return Err(Invalid::token("lease_tokens[0]").into());
        }
        let scope = caller.identity.scope().clone();
        let extend = move |ticket| {
            Command::Extend(Extend {
                ticket,
                session: None,
                scope,
                leases,
                lease_duration,
                progress,
            })
        };
        let Reply::Extended(results) = self.ask(extend).await? else {
            return Err(Fault::other_answer());
        };
        let offset = self.shard.offset();
        Ok(ExtendResponse {
            results: results
                .iter()
                .map(|result| extend_result(result, offset))
                .collect(),
        })
    }
}

/// What became of one extension.
pub(crate) fn extend_result(
    result: &Result<Extension, Rejection>,
    offset: WallOffset,
) -> ExtendResult {
    match result {
        Ok(extension) => ExtendResult {
            status: None,
            expire_time: Some(timestamp(extension.expire_time, offset)),
            cancel_requested: extension.cancel_requested,
        },
        Err(rejection) => ExtendResult {
            status: Some(of_entry(rejection)),
            ..ExtendResult::default()
        },
    }
}
