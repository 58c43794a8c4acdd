//! What a lease stream still owes its worker, in the order it was asked for.

use leaseq_engine::effect::Reply;
use leaseq_proto::v1::lease_response::Response;
use leaseq_proto::v1::{ExtendResponse, ExtendResult, ItemStatus, Opened, SettleResponse};
use tonic::Status;

use crate::api::extend::extend_result;
use crate::api::fault::Fault;
use crate::api::settle::item_status;
use crate::api::token::Tokens;
use crate::shard::WallOffset;

/// Something owed.
#[derive(Debug)]
pub(super) enum Due {
    /// What the shard will answer.
    Answer(Asked),
    /// This, when what is before it has left.
    Ready(Response),
    /// The end of the stream.
    End(Status),
}

/// What the shard was asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// To open the session; the answer as far as it is known.
    Open(Opened),
    /// To settle.
    Settle(Refused),
    /// To extend.
    Extend(Refused),
}

/// The entries of a request that were refused before the shard saw it: their places, and what is
/// answered in those.
pub(crate) type Refused = Vec<(usize, ItemStatus)>;

impl Asked {
    /// The message that the shard's reply becomes.
    pub(super) fn answered(
        self,
        reply: Reply,
        tokens: &Tokens,
        offset: WallOffset,
    ) -> Result<Response, Fault> {
        Ok(match (self, reply) {
            (Self::Open(mut opened), Reply::Opened { lost }) => {
                let lost = lost.into_iter().map(|lease| tokens.token(lease));
                opened.lost_tokens.extend(lost);
                Response::Opened(opened)
            }
            (Self::Settle(refused), Reply::Settled(results)) => {
                settled(results.iter().map(item_status).collect(), refused)
            }
            (Self::Extend(refused), Reply::Extended(results)) => {
                let results = results.iter().map(|result| extend_result(result, offset));
                extended(results.collect(), refused)
            }
            _ => return Err(Fault::other_answer()),
        })
    }

    /// The message that says that none of `count` entries was done; `Err`: there are no entries
    /// that could say so.
    pub(super) fn refused(self, count: usize, fault: Fault) -> Result<Response, Fault> {
        let status = || ItemStatus::from(&fault);
        Ok(match self {
            Self::Open(_) => return Err(fault),
            Self::Settle(refused) => settled(vec![status(); count], refused),
            Self::Extend(refused) => {
                let result = ExtendResult {
                    status: Some(status()),
                    ..ExtendResult::default()
                };
                extended(vec![result; count], refused)
            }
        })
    }
}

fn settled(mut results: Vec<ItemStatus>, refused: Refused) -> Response {
    for (index, status) in refused {
        if let Some(result) = results.get_mut(index) {
            *result = status;
        }
    }
    Response::Settled(SettleResponse { results })
}

fn extended(mut results: Vec<ExtendResult>, refused: Refused) -> Response {
    for (index, status) in refused {
        if let Some(result) = results.get_mut(index) {
            result.status = Some(status);
        }
    }
    Response::Extended(ExtendResponse { results })
}
