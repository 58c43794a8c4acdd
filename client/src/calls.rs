//! Settling, extending, cancelling and waiting.

use std::time::{Duration, SystemTime};

use leaseq_proto::v1 as proto;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{self, Error, Result};
use crate::job::{Finished, JobState, Outcome};
use crate::leased::{BATCH_ENTRIES_MAX, LeaseToken, Settlement, batches};
use crate::put::WAIT_MAX;
use crate::wire;

/// What an extension came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension {
    /// When the lease ends now.
    pub expire_time: Option<SystemTime>,
    /// Whether cancellation was asked: stop if you can.
    pub cancel_requested: bool,
}

impl Extension {
    pub(crate) fn from_proto(result: proto::ExtendResult) -> Result<Self> {
        error::from_item(result.status)?;
        Ok(Self {
            expire_time: wire::from_timestamp(result.expire_time),
            cancel_requested: result.cancel_requested,
        })
    }
}

/// What a queue is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WaitUntil {
    /// Nothing scheduled or ready; workers may still run what they hold.
    Empty,
    /// Nothing scheduled, ready or leased.
    #[default]
    Settled,
}

/// How a queue stands after a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueWait {
    /// Whether it is as waited for; false: the wait has passed.
    pub done: bool,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs that can be leased.
    pub ready: u64,
    /// Jobs that workers have.
    pub leased: u64,
}

/// Where a job is after a wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobWait {
    /// The job's state.
    pub state: JobState,
    /// Set if it has ended: how, and with what result.
    pub finished: Option<Finished>,
}

impl Client {
    /// Ends leases with a verdict each. A status for each, in order: one lost lease does not stop
    /// the others. The same verdict again is fine, so a call that broke off can be repeated. More
    /// than 1000 go out in several calls.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<()>>> {
        let mut statuses = Vec::with_capacity(settlements.len());
        for settlements in batches(settlements) {
            let response = self
                .call(|| {
                    let settlements = settlements.clone();
                    let request = self.request(proto::SettleRequest { settlements });
                    let mut stub = self.queues();
                    async move { stub.settle(request).await }
                })
                .await?;
            statuses.extend(
                response
                    .results
                    .into_iter()
                    .map(|item| error::from_item(Some(item))),
            );
        }
        Ok(statuses)
    }

    /// Ends one lease.
    pub async fn settle_one(&self, settlement: Settlement) -> Result<()> {
        only(self.settle(vec![settlement]).await?)
    }

    /// Moves the expiry of leases to `duration` from now, or by what they were granted with. A
    /// result for each, in order. More than 1000 go out in several calls.
    pub async fn extend(
        &self,
        tokens: &[LeaseToken],
        duration: Option<Duration>,
    ) -> Result<Vec<Result<Extension>>> {
        self.extend_saying(tokens, duration, "").await
    }

    /// Extends leases and says how far the work is; shown to operators.
    pub async fn extend_saying(
        &self,
        tokens: &[LeaseToken],
        duration: Option<Duration>,
        progress: &str,
    ) -> Result<Vec<Result<Extension>>> {
        let mut extensions = Vec::with_capacity(tokens.len());
        for tokens in tokens.chunks(BATCH_ENTRIES_MAX) {
            let response = self
                .call(|| {
                    let request = self.request(extend_request(tokens, duration, progress));
                    let mut stub = self.queues();
                    async move { stub.extend(request).await }
                })
                .await?;
            extensions.extend(response.results.into_iter().map(Extension::from_proto));
        }
        Ok(extensions)
    }

    /// Cancels a job. One that is scheduled or ready ends at once and this says
    /// [`JobState::Cancelled`]; the worker of one that is leased is told, and this says
    /// [`JobState::Leased`].
    pub async fn cancel_job(
        &self,
        job: impl AsRef<str>,
        reason: impl Into<String>,
    ) -> Result<JobState> {
        let message = proto::CancelJobRequest {
            job_id: job.as_ref().to_owned(),
            reason: reason.into(),
        };
        let response = self
            .call(|| {
                let request = self.request(message.clone());
                let mut stub = self.queues();
                async move { stub.cancel_job(request).await }
            })
            .await?;
        Ok(JobState::from_proto(response.state))
    }

    /// Waits until a job has ended or `wait` has passed, whichever comes first.
    pub async fn wait_job(&self, job: impl AsRef<str>, wait: Duration) -> Result<JobWait> {
        let job_id = job.as_ref();
        let until = wire::after(wait);
        loop {
            let response = self
                .call(|| {
                    let request = self.request(proto::WaitJobRequest {
                        job_id: job_id.to_owned(),
                        wait: Some(left(until)),
                    });
                    let mut stub = self.queues();
                    async move { stub.wait_job(request).await }
                })
                .await?;
            let waited = JobWait::from_proto(response);
            if waited.state.is_ended() || Instant::now() >= until {
                return Ok(waited);
            }
        }
    }

    /// Waits until a queue is as asked or `wait` has passed: Python's `queue.join()` over the
    /// network.
    pub async fn wait_queue(
        &self,
        queue: impl Into<String>,
        for_what: WaitUntil,
        wait: Duration,
    ) -> Result<QueueWait> {
        let queue = queue.into();
        let until = wire::after(wait);
        loop {
            let response = self
                .call(|| {
                    let request = self.request(proto::WaitQueueRequest {
                        queue: queue.clone(),
                        until: for_what.into_proto().into(),
                        wait: Some(left(until)),
                    });
                    let mut stub = self.queues();
                    async move { stub.wait_queue(request).await }
                })
                .await?;
            if response.done || Instant::now() >= until {
                return Ok(QueueWait {
                    done: response.done,
                    scheduled: response.scheduled_count,
                    ready: response.ready_count,
                    leased: response.leased_count,
                });
            }
        }
    }
}

/// What is left of a wait, as one call may ask for it.
fn left(until: Instant) -> prost_types::Duration {
    wire::duration(
        until
            .saturating_duration_since(Instant::now())
            .min(WAIT_MAX),
    )
}

pub(crate) fn extend_request(
    tokens: &[LeaseToken],
    duration: Option<Duration>,
    progress: &str,
) -> proto::ExtendRequest {
    proto::ExtendRequest {
        lease_tokens: tokens.iter().map(|token| token.0.clone()).collect(),
        lease_duration: duration.map(wire::duration),
        progress: progress.to_owned(),
    }
}

fn only(statuses: Vec<Result<()>>) -> Result<()> {
    statuses.into_iter().next().unwrap_or_else(|| {
        Err(Error::Internal {
            message: "the server answered without a status".to_owned(),
        })
    })
}

impl WaitUntil {
    fn into_proto(self) -> proto::WaitQueueUntil {
        match self {
            Self::Empty => proto::WaitQueueUntil::Empty,
            Self::Settled => proto::WaitQueueUntil::Settled,
        }
    }
}

impl JobWait {
    fn from_proto(response: proto::WaitJobResponse) -> Self {
        let result = response.result;
        let finished = response.outcome.map(|outcome| Finished {
            outcome: Outcome::from_proto(outcome),
            result,
        });
        Self {
            state: JobState::from_proto(response.state),
            finished,
        }
    }
}
