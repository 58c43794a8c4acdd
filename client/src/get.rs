//! Get: leases jobs without a session. For a worker that runs for long, see
//! [`Worker`](crate::Worker).

use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use leaseq_proto::v1 as proto;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::leased::LeasedJob;
use crate::put::{Call, WAIT_MAX};
use crate::unclaimed;
use crate::wire;

/// What a Get gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Leased {
    /// The jobs; empty: nothing came in time.
    pub jobs: Vec<LeasedJob>,
    /// When the leases end unless they are extended.
    pub expire_time: Option<SystemTime>,
}

impl Client {
    /// Leases jobs of a queue. Await it for the jobs; an empty list means that nothing came in
    /// time. A job that is not settled before its lease ends is leased to someone else.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(client: leaseq_client::Client) -> leaseq_client::Result<()> {
    /// let jobs = client.get("resize").wait(Duration::from_secs(5)).max_jobs(10).await?;
    /// let done = jobs.iter().map(|job| job.complete("done")).collect();
    /// client.settle(done).await?;
    /// # Ok(()) }
    /// ```
    pub fn get(&self, queue: impl Into<String>) -> Get {
        let request = proto::GetRequest {
            queue: queue.into(),
            ..proto::GetRequest::default()
        };
        Get {
            client: self.clone(),
            request,
            wait: Duration::ZERO,
        }
    }

    /// Leases one job, or gives `None` if none came in time.
    pub async fn get_one(
        &self,
        queue: impl Into<String>,
        wait: Duration,
    ) -> Result<Option<LeasedJob>> {
        Ok(self.get(queue).wait(wait).await?.into_iter().next())
    }
}

/// A Get, done when awaited.
#[must_use = "nothing is leased until this is awaited"]
#[derive(Debug)]
pub struct Get {
    client: Client,
    request: proto::GetRequest,
    wait: Duration,
}

impl Get {
    /// How long to wait for the first job. Default: not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// At most this many jobs, up to 1000. Default: one.
    pub fn max_jobs(mut self, jobs: u32) -> Self {
        self.request.max_jobs = jobs;
        self
    }

    /// How long the leases last unless extended. Default: the queue's `lease_duration`.
    pub fn lease_duration(mut self, duration: Duration) -> Self {
        self.request.lease_duration = Some(wire::duration(duration));
        self
    }

    /// Completes the jobs as they are handed out: at most once, as Python's `Queue.get()`. A job
    /// whose answer is lost on the way is lost.
    pub fn auto_complete(mut self) -> Self {
        self.request.auto_complete = true;
        self
    }

    /// A name for this worker, shown to operators.
    pub fn worker(mut self, name: impl Into<String>) -> Self {
        self.request.worker = name.into();
        self
    }

    /// Makes the call, and tells beside the jobs when their leases end.
    ///
    /// When this future is dropped while an answer is on its way, the jobs in it are released in
    /// the background.
    pub async fn leased(self) -> Result<Leased> {
        if self.request.auto_complete {
            // What arrives is completed: there is nothing to give back.
            return self.ask().await;
        }
        let client = self.client.clone();
        let answer = unclaimed::call(client, self.ask()).await;
        answer.unwrap_or_else(|| {
            Err(Error::Internal {
                message: "the task that makes the call was stopped".to_owned(),
            })
        })
    }

    async fn ask(self) -> Result<Leased> {
        let Self {
            client,
            mut request,
            wait,
        } = self;
        let until = wire::after(wait);
        loop {
            let response = client
                .call(|| {
                    // Always said: what the server does without it depends on deadlines.
                    let left = until.saturating_duration_since(Instant::now());
                    request.wait = Some(wire::duration(left.min(WAIT_MAX)));
                    let request = client.request(request.clone());
                    let mut stub = client.queues();
                    async move { stub.get(request).await }
                })
                .await?;
            if !response.jobs.is_empty() || Instant::now() >= until {
                return Ok(Leased {
                    jobs: LeasedJob::all(response.jobs)?,
                    expire_time: wire::from_timestamp(response.expire_time),
                });
            }
        }
    }
}

impl IntoFuture for Get {
    type Output = Result<Vec<LeasedJob>>;
    type IntoFuture = Call<Vec<LeasedJob>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.leased().await?.jobs) })
    }
}
