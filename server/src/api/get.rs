//! Get.

use leaseq_engine::command::{Command, Get};
use leaseq_engine::effect::{Grant, Reply};
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_proto::v1::{GetRequest, GetResponse};
use tonic::Response;

use super::Api;
use super::caller::Caller;
use super::convert::job::fitting;
use super::convert::leased::encoded_jobs;
use super::convert::settle::lease_duration;
use super::convert::text::worker;
use super::convert::time::timestamp;
use super::convert::{count, wide};
use super::fault::{Fault, Invalid};
use super::token::Tokens;
use crate::config::Limits;
use crate::dispatch::{Handover, TakenBack};

/// The most bytes of a leased job beside its content: that is an outcome with an error of 4 KiB.
const JOB_BYTES_MAX: usize = 5 << 10;

/// The most bytes of contents in one answer. Clients take answers of the size that the server
/// takes requests of, unless they are told otherwise; half is for what comes beside the contents.
pub(crate) fn get_contents_max(limits: &Limits) -> u64 {
    wide(limits.request_bytes_max / 2)
}

impl Api {
    pub(super) async fn get(
        &self,
        caller: &Caller,
        request: GetRequest,
    ) -> Result<Response<GetResponse>, Fault> {
        let now = self.shard.now();
        let queue = caller.queue("queue", &request.queue)?;
        let lease_duration = lease_duration(request.lease_duration.as_ref(), &self.limits)?;
        let until = caller.wait_until(request.wait.as_ref(), now, self.limits.wait_max)?;
        let auto_complete = request.auto_complete;
        let jobs_max = self.jobs_max(&request)?;
        let worker = worker("worker", request.worker)?;
        let tokens = Tokens::of(&self.shard)?;
        let get = move |ticket| {
            Command::Get(Get {
                ticket,
                queue,
                jobs_max,
                lease_duration,
                auto_complete,
                until,
                worker,
            })
        };
        let asked = self.shard.call(get);
        let answer = caller.unless_revoked(until.is_some(), asked).await?;
        let Reply::Got {
            grants,
            expire_time,
        } = answer.reply
        else {
            return Err(Fault::other_answer());
        };
        Ok(self.hand_over(&tokens, grants, answer.contents, expire_time, auto_complete))
    }

    /// The response, with what takes the leases back if it does not leave.
    fn hand_over(
        &self,
        tokens: &Tokens,
        mut grants: Vec<Grant>,
        mut contents: Vec<Content>,
        expire_time: Time,
        auto_complete: bool,
    ) -> Response<GetResponse> {
        if !auto_complete {
            let fitting = fitting(&grants, &contents, self.limits.request_bytes_max);
            contents.truncate(fitting);
            // The drop of this takes them back at once: they keep their places in the queue.
            drop(Handover::new(&self.shard, &grants[fitting..]));
            grants.truncate(fitting);
        }
        // What is completed already has no lease that could be taken back.
        let leases = if auto_complete { &[] } else { &grants[..] };
        let handover = Handover::new(&self.shard, leases);
        let offset = self.shard.offset();
        let mut response = Response::new(GetResponse {
            expire_time: (!grants.is_empty()).then(|| timestamp(expire_time, offset)),
            jobs: encoded_jobs(tokens, grants.into_iter(), &contents, offset),
        });
        response.extensions_mut().insert(handover);
        if !auto_complete {
            response.extensions_mut().insert(TakenBack);
        }
        response
    }

    /// At most how many jobs are leased. Those that are completed at once cannot be taken back if
    /// they do not fit the answer, which so many outcomes, all of them long, might not.
    fn jobs_max(&self, request: &GetRequest) -> Result<usize, Invalid> {
        let (jobs_max, max) = (count(request.max_jobs).max(1), self.limits.batch_jobs_max);
        if jobs_max > max {
            let problem = format!("is {jobs_max}; at most {max} are allowed");
            return Err(Invalid::new("max_jobs", problem));
        }
        let surely_fitting = self.limits.request_bytes_max / 2 / JOB_BYTES_MAX;
        Ok(if request.auto_complete {
            jobs_max.min(surely_fitting.max(1))
        } else {
            jobs_max
        })
    }
}
