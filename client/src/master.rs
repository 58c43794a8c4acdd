//! A master: puts jobs, waits for them, collects what became of them.

use std::pin::pin;
use std::time::Duration;

use tokio_stream::{Stream, StreamExt};

use crate::calls::WaitUntil;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::{Finished, NewJob};
use crate::job_id::JobId;
use crate::put::WAIT_MAX;
use crate::put_stream::{PutStream, PutTicket};
use crate::results::Results;

/// How many jobs go into one Put where many are put.
const CHUNK_JOBS: usize = 500;
/// How many bytes go into one Put where many are put. A server takes 4 MiB unless told otherwise.
const CHUNK_BYTES: usize = 1 << 20;

/// Puts jobs and collects what became of them. It waits for ever for a server that does not
/// answer, unless its client was told otherwise.
///
/// ```no_run
/// # async fn example() -> leaseq_client::Result<()> {
/// use leaseq_client::{Client, Master, NewJob};
///
/// let master = Master::new(&Client::from_env()?);
/// for n in 0..10 {
///     master.put("squares", NewJob::new(n.to_string()).reply_to("results")).await?;
/// }
/// let mut results = master.results("results");
/// for _ in 0..10 {
///     let finished = results.next().await?;
///     println!("{:?}", finished.into_result());
/// }
/// results.done().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Master {
    client: Client,
}

impl Master {
    /// A master on a client's connection.
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.patient(),
        }
    }

    /// The client with which this master makes its calls.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Puts one job. It is durable when its id is here. When the queue is full it waits for room.
    pub async fn put(&self, queue: impl Into<String>, job: impl Into<NewJob>) -> Result<JobId> {
        self.client.put(queue, job).wait(Duration::MAX).await
    }

    /// Puts many jobs, in their order, and returns their ids in that order. They are all durable
    /// then. More than fit into one Put go out as several: if one is refused, those before it stay.
    /// To have all or none, see [`Client::put_batch`].
    pub async fn put_all<J: Into<NewJob>>(
        &self,
        queue: impl Into<String>,
        jobs: impl IntoIterator<Item = J>,
    ) -> Result<Vec<JobId>> {
        self.put_from(queue, tokio_stream::iter(jobs)).await
    }

    /// Puts the jobs of a stream as they come, in their order, and returns their ids in that order.
    pub async fn put_from<J: Into<NewJob>>(
        &self,
        queue: impl Into<String>,
        jobs: impl Stream<Item = J>,
    ) -> Result<Vec<JobId>> {
        let queue = queue.into();
        let puts = self.put_stream();
        let mut chunk = Chunk::default();
        let mut tickets = Vec::new();
        let mut jobs = pin!(jobs);
        while let Some(job) = jobs.next().await {
            let job = job.into();
            if !chunk.has_room_for(&job) {
                tickets.push(chunk.send(&puts, &queue).await?);
            }
            chunk.push(job);
        }
        if !chunk.jobs.is_empty() {
            tickets.push(chunk.send(&puts, &queue).await?);
        }
        let mut ids = Vec::new();
        for ticket in tickets {
            ids.extend(ticket.await?.job_ids);
        }
        Ok(ids)
    }

    /// A stream for Puts of which many are in flight. When the queue is full they wait for room.
    pub fn put_stream(&self) -> PutStream {
        self.client.put_stream().wait(WAIT_MAX)
    }

    /// Collects what became of jobs from the queue that they named as `reply_to`. Jobs that were
    /// put on that queue by hand come as completed ones, under their own ids.
    pub fn results(&self, queue: impl Into<String>) -> Results {
        Results::new(self.client.session(queue))
    }

    /// Waits until a job has ended, however long it takes. [`Error::JobNotFound`] if it has ended
    /// before and nothing of it was kept: give it a
    /// [`result_retention`](NewJob::result_retention).
    pub async fn wait_for(&self, job: impl AsRef<str>) -> Result<Finished> {
        loop {
            if let Some(finished) = self.wait_for_within(job.as_ref(), WAIT_MAX).await? {
                return Ok(finished);
            }
        }
    }

    /// Waits until a job has ended, or gives `None` when `wait` has passed.
    pub async fn wait_for_within(
        &self,
        job: impl AsRef<str>,
        wait: Duration,
    ) -> Result<Option<Finished>> {
        let waited = self.client.wait_job(job, wait).await?;
        match waited.finished {
            None if waited.state.is_ended() => Err(Error::Internal {
                message: format!(
                    "the server calls the job {} and does not say how",
                    waited.state
                ),
            }),
            finished => Ok(finished),
        }
    }

    /// Waits until all jobs of a queue are settled, however long it takes: Python's
    /// `queue.join()` over the network.
    pub async fn join(&self, queue: impl Into<String>) -> Result<()> {
        let queue = queue.into();
        let settled = WaitUntil::Settled;
        while !self
            .client
            .wait_queue(queue.as_str(), settled, WAIT_MAX)
            .await?
            .done
        {}
        Ok(())
    }
}

/// The jobs of the next Put.
#[derive(Default)]
struct Chunk {
    jobs: Vec<NewJob>,
    bytes: usize,
}

impl Chunk {
    /// One job fits always: whether it is too large is for the server to say.
    fn has_room_for(&self, job: &NewJob) -> bool {
        let fits = self.jobs.len() < CHUNK_JOBS && self.bytes + job.size() <= CHUNK_BYTES;
        self.jobs.is_empty() || fits
    }

    fn push(&mut self, job: NewJob) {
        self.bytes += job.size();
        self.jobs.push(job);
    }

    async fn send(&mut self, puts: &PutStream, queue: &str) -> Result<PutTicket> {
        self.bytes = 0;
        puts.put_batch(queue, std::mem::take(&mut self.jobs)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_has_room_for_so_many_jobs_and_bytes() {
        let mut chunk = Chunk::default();
        let huge = NewJob::new(vec![0; 2 * CHUNK_BYTES]);
        assert!(chunk.has_room_for(&huge));
        chunk.push(huge);
        assert!(!chunk.has_room_for(&NewJob::new("")));

        let mut chunk = Chunk::default();
        let mut count = 0;
        while chunk.has_room_for(&NewJob::new("small")) {
            chunk.push(NewJob::new("small"));
            count += 1;
        }
        assert_eq!(count, CHUNK_JOBS);
    }
}
