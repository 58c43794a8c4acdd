//! The worker of Python's `multiprocessing.managers` master/worker recipe, line by line:
//!
//! ```python
//! for i in range(10):
//!     try:
//!         n = task.get(timeout=1)
//!         print('run task %d * %d...' % (n, n))
//!         r = '%d * %d = %d' % (n, n, n*n)
//!         time.sleep(1)
//!         result.put(r)
//!     except Queue.Empty:
//!         print('task queue is empty.')
//! print('worker exit.')
//! ```
//!
//! Start it before or after the master, and before or after the server. Kill it in the middle of a
//! job: the job comes back and another worker runs it, which it does not in the recipe.
//!
//! A worker that runs for as long as there are jobs is shorter than this: see
//! [`leaseq_client::Worker`].

#![allow(clippy::print_stdout)] // printing is what the recipe does

use std::time::Duration;

use leaseq_client::{Client, LeasedJob, Master};

/// The key of `leaseq dev`.
const AUTHKEY: &str = "dev";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the client waits for is said on stderr; stdout is as in the recipe.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();

    // A server that is not there yet is waited for.
    let client = Client::builder()
        .authkey(AUTHKEY)
        .from_env()
        .wait_forever()
        .connect()
        .await?;
    for _ in 0..10 {
        match client.get_one("task_queue", Duration::from_secs(1)).await? {
            Some(job) => run(&client, &job).await?,
            None => println!("task queue is empty."),
        }
    }
    println!("worker exit.");
    Ok(())
}

async fn run(client: &Client, job: &LeasedJob) -> Result<(), Box<dyn std::error::Error>> {
    let n: u64 = job.text()?.parse()?;
    println!("run task {n} * {n}...");
    let result = format!("{n} * {n} = {}", n * n);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // As in the recipe, the result is put first. A worker that dies between these two lines makes
    // the job run again and gives its result twice. A master that names a `reply_to` queue with its
    // job rules that out: `job.complete(result)` then puts the result there in the same commit.
    Master::new(client).put("result_queue", result).await?;
    client.settle_one(job.complete("")).await?;
    Ok(())
}
