//! CancelJob, WaitJob and WaitQueue.

use leaseq_engine::command::Command;
use leaseq_engine::effect::{JobResult, Reply};
use leaseq_proto::v1::{
    CancelJobRequest, CancelJobResponse, WaitJobRequest, WaitJobResponse, WaitQueueRequest,
    WaitQueueResponse, WaitQueueUntil,
};

use super::Api;
use super::caller::Caller;
use super::convert::job::{outcome, wire_state};
use super::convert::text::error;
use super::fault::{Fault, Invalid};

impl Api {
    pub(super) async fn cancel_job(
        &self,
        caller: &Caller,
        request: CancelJobRequest,
    ) -> Result<CancelJobResponse, Fault> {
        let job = caller.job("job_id", &request.job_id)?;
        let reason = error(request.reason);
        let scope = caller.identity.scope().clone();
        let cancel = move |ticket| Command::CancelJob {
            ticket,
            scope,
            job,
            reason,
        };
        let Reply::Cancelled(state) = self.ask(cancel).await? else {
            return Err(Fault::other_answer());
        };
        Ok(CancelJobResponse {
            state: wire_state(state).into(),
        })
    }

    pub(super) async fn wait_job(
        &self,
        caller: &Caller,
        request: WaitJobRequest,
    ) -> Result<WaitJobResponse, Fault> {
        let job = caller.job("job_id", &request.job_id)?;
        let now = self.shard.now();
        let until = caller.wait_until(request.wait.as_ref(), now, self.limits.wait_max)?;
        let scope = caller.identity.scope().clone();
        let wait = move |ticket| Command::WaitJob {
            ticket,
            scope,
            job,
            until,
        };
        let asked = self.shard.call(wait);
        let answer = caller.unless_revoked(until.is_some(), asked).await?;
        let Reply::JobWaited {
            state,
            outcome,
            result,
        } = answer.reply
        else {
            return Err(Fault::other_answer());
        };
        let stored = answer.contents.into_iter().next();
        Ok(WaitJobResponse {
            state: wire_state(state).into(),
            outcome: outcome.map(|outcome| self::outcome(*outcome)),
            result: match result {
                JobResult::None => bytes::Bytes::new(),
                JobResult::Bytes(result) => result,
                JobResult::Stored(_) => stored.unwrap_or_default().payload,
            },
        })
    }

    pub(super) async fn wait_queue(
        &self,
        caller: &Caller,
        request: WaitQueueRequest,
    ) -> Result<WaitQueueResponse, Fault> {
        let queue = caller.queue("queue", &request.queue)?;
        let settled = settled(request.until)?;
        let now = self.shard.now();
        let until = caller.wait_until(request.wait.as_ref(), now, self.limits.wait_max)?;
        let wait = move |ticket| Command::WaitQueue {
            ticket,
            queue,
            settled,
            until,
        };
        let asked = self.shard.call(wait);
        let answer = caller.unless_revoked(until.is_some(), asked).await?;
        let Reply::QueueWaited { done, counts } = answer.reply else {
            return Err(Fault::other_answer());
        };
        Ok(WaitQueueResponse {
            done,
            scheduled_count: counts.scheduled,
            ready_count: counts.ready,
            leased_count: counts.leased,
        })
    }
}

/// Whether leased jobs are waited for too.
fn settled(wire: i32) -> Result<bool, Invalid> {
    match WaitQueueUntil::try_from(wire) {
        Ok(WaitQueueUntil::Unspecified | WaitQueueUntil::Settled) => Ok(true),
        Ok(WaitQueueUntil::Empty) => Ok(false),
        Err(_) => Err(Invalid::new(
            "until",
            format!("is {wire}, which is not a WaitQueueUntil of this server"),
        )),
    }
}
