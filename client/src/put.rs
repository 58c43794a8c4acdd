//! Put: jobs that are durable when the answer is here.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use leaseq_proto::v1 as proto;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::NewJob;
use crate::job_id::JobId;
use crate::request_id;
use crate::wire;

/// The longest wait that one call may ask of the server.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(600);

/// A call that is made when it is awaited.
pub(crate) type Call<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// The answer to a Put of many jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutAnswer {
    /// The ids of the jobs, in the order they were given.
    pub job_ids: Vec<JobId>,
    /// Whether this is the answer to an earlier Put with the same request id.
    pub deduplicated: bool,
}

impl PutAnswer {
    pub(crate) fn new(ids: &proto::JobIds, deduplicated: bool) -> Self {
        Self {
            job_ids: ids.iter().map(JobId::from).collect(),
            deduplicated,
        }
    }
}

impl Client {
    /// Puts one job on a queue. Await it for the job's id; the job is durable then.
    ///
    /// ```no_run
    /// # async fn example(client: leaseq_client::Client) -> leaseq_client::Result<()> {
    /// let id = client.put("resize", "4711.png").await?;
    /// # Ok(()) }
    /// ```
    pub fn put(&self, queue: impl Into<String>, job: impl Into<NewJob>) -> PutOne {
        PutOne(self.put_batch(queue, vec![job.into()]))
    }

    /// Puts jobs on a queue, all of them or none. Await it for their ids.
    pub fn put_batch(&self, queue: impl Into<String>, jobs: Vec<NewJob>) -> PutBatch {
        let request = put_request(queue.into(), jobs);
        PutBatch {
            client: self.clone(),
            request,
            wait: None,
        }
    }
}

/// A Put with a fresh request id, so that it can be sent again.
pub(crate) fn put_request(queue: String, jobs: Vec<NewJob>) -> proto::PutRequest {
    proto::PutRequest {
        queue,
        jobs: jobs.into_iter().map(|job| job.0).collect(),
        request_id: request_id::fresh().to_string(),
        wait: None,
    }
}

/// A Put of many jobs, done when awaited.
#[must_use = "nothing is put until this is awaited"]
#[derive(Debug)]
pub struct PutBatch {
    client: Client,
    request: proto::PutRequest,
    wait: Option<Duration>,
}

impl PutBatch {
    /// How long to wait for room when the queue is full. Default: not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// The id that makes this Put repeatable: the same id again returns the first answer and adds
    /// nothing. Without this call the client makes one up.
    pub fn request_id(mut self, id: Uuid) -> Self {
        self.request.request_id = id.to_string();
        self
    }

    async fn send(self) -> Result<PutAnswer> {
        let Self {
            client,
            mut request,
            wait,
        } = self;
        let until = wait.map(wire::after);
        let response = client
            .call_waiting(until, || {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                request.wait = left.map(|left| wire::duration(left.min(WAIT_MAX)));
                let request = client.request(request.clone());
                let mut stub = client.queues();
                async move { stub.put(request).await }
            })
            .await?;
        Ok(PutAnswer::new(&response.job_ids, response.deduplicated))
    }
}

impl IntoFuture for PutBatch {
    type Output = Result<PutAnswer>;
    type IntoFuture = Call<PutAnswer>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A Put of one job, done when awaited.
#[must_use = "nothing is put until this is awaited"]
#[derive(Debug)]
pub struct PutOne(PutBatch);

impl PutOne {
    /// How long to wait for room when the queue is full. Default: not at all.
    pub fn wait(self, wait: Duration) -> Self {
        Self(self.0.wait(wait))
    }

    /// The id that makes this Put repeatable.
    pub fn request_id(self, id: Uuid) -> Self {
        Self(self.0.request_id(id))
    }
}

impl IntoFuture for PutOne {
    type Output = Result<JobId>;
    type IntoFuture = Call<JobId>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { only_id(self.0.send().await?) })
    }
}

/// The id of the one job that was put.
pub(crate) fn only_id(answer: PutAnswer) -> Result<JobId> {
    answer
        .job_ids
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal {
            message: "the server answered a Put of one job without an id".to_owned(),
        })
}
