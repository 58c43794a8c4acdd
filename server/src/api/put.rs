//! Put.

use leaseq_engine::command::{Command, Put};
use leaseq_engine::effect::Reply;
use leaseq_engine::id::Ticket;
use leaseq_proto::v1::{JobIds, PutRequest, PutResponse};

use super::Api;
use super::caller::Caller;
use super::convert::put::Reader;
use super::convert::repeatable::repeatable;
use super::convert::text::{job_ids, request_id};
use super::fault::Fault;
use crate::shard::Refusal;

impl Api {
    pub(super) async fn put(
        &self,
        caller: &Caller,
        request: PutRequest,
    ) -> Result<PutResponse, Fault> {
        let held = request.wait.is_some();
        let put = self.put_command(caller, request)?;
        let answer = caller.unless_revoked(held, self.shard.call(put)).await?;
        let (job_ids, deduplicated) = put_answer(answer.reply)?;
        Ok(PutResponse {
            job_ids,
            deduplicated,
        })
    }

    /// The command of a Put whose fields are all right.
    pub(super) fn put_command(
        &self,
        caller: &Caller,
        request: PutRequest,
    ) -> Result<impl FnOnce(Ticket) -> Command + use<>, Fault> {
        let now = self.shard.now();
        let queue = caller.queue("queue", &request.queue)?;
        let uuid = request_id("request_id", &request.request_id)?;
        // Without `wait` a Put does not wait, also not until its deadline: "full" is an answer.
        let until = match &request.wait {
            None => None,
            wait => caller.wait_until(wait.as_ref(), now, self.limits.wait_max)?,
        };
        let reader = Reader {
            limits: &self.limits,
            identity: &caller.identity,
            now,
            offset: self.shard.offset(),
        };
        let repeatable = match uuid {
            None => None,
            Some(uuid) => {
                let identity = self.shard.identity().ok_or(Refusal::Recovering)?;
                let key = &identity.token_key;
                Some(repeatable(key, &queue, uuid, &request.jobs))
            }
        };
        let jobs = reader.jobs(request.jobs)?;
        Ok(move |ticket| {
            Command::Put(Put {
                ticket,
                queue,
                jobs,
                repeatable,
                until,
            })
        })
    }
}

/// The ids in the answer to a Put, and whether they were given before.
pub(super) fn put_answer(reply: Reply) -> Result<(JobIds, bool), Fault> {
    let Reply::Put { ids, deduplicated } = reply else {
        return Err(Fault::other_answer());
    };
    Ok((job_ids(&ids), deduplicated))
}
