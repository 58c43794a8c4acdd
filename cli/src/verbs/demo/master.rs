//! The master of the demo: puts the jobs, and collects their outcomes like any worker.

use std::time::Duration;

use bytes::Bytes;
use leaseq_client::{Client, Master, NewJob};
use tokio::sync::mpsc;

use super::worker::QUEUE;
use crate::exit::Failure;

/// Where the outcomes go.
const REPLY_TO: &str = "results";
/// How long one Get waits for outcomes.
const WAIT: Duration = Duration::from_millis(500);

/// What became of one job.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The id of the outcome job itself.
    pub(super) outcome_id: String,
    /// The id of the job that ended.
    pub(super) job_id: String,
    pub(super) result: Bytes,
    pub(super) attempts: u32,
}

/// Puts a job for each number from 1 to `count`; gives their ids in that order.
pub(super) async fn put(client: &Client, count: u64) -> Result<Vec<String>, Failure> {
    let jobs = (1..=count).map(|number| NewJob::new(number.to_string()).reply_to(REPLY_TO));
    let ids = Master::new(client).put_all(QUEUE, jobs).await?;
    Ok(ids.into_iter().map(String::from).collect())
}

/// Sends every outcome to `arrivals` and completes it, until nobody listens any more. It waits for
/// a server that is away, and settles again what was not confirmed.
pub(super) async fn collect(
    client: Client,
    arrivals: mpsc::Sender<Arrival>,
) -> Result<(), Failure> {
    loop {
        let jobs = client.get(REPLY_TO).max_jobs(20).wait(WAIT).await?;
        for job in &jobs {
            let Some(outcome) = job.outcome() else {
                continue;
            };
            let arrival = Arrival {
                outcome_id: job.id().to_owned(),
                job_id: outcome.job_id.into(),
                result: job.payload().clone(),
                attempts: outcome.attempts,
            };
            if arrivals.send(arrival).await.is_err() {
                return Ok(());
            }
        }
        let done = jobs.iter().map(|job| job.complete(Bytes::new())).collect();
        // A lease that was lost while the server was away: that outcome comes again, and the books
        // know it by its id.
        client.settle(done).await?;
    }
}
