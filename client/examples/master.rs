//! The master of Python's `multiprocessing.managers` master/worker recipe, line by line:
//!
//! ```python
//! for i in range(10):
//!     n = random.randint(0, 10000)
//!     print('Put task %d...' % n)
//!     task.put(n)
//! print('Try get results...')
//! for i in range(10):
//!     r = result.get(timeout=10)
//!     print('Result: %s' % r)
//! manager.shutdown()
//! print('master exit.')
//! ```
//!
//! Start it before or after the worker:
//!
//! ```text
//! leaseq dev
//! cargo run -p leaseq-client --example master
//! cargo run -p leaseq-client --example worker
//! ```
//!
//! LEASEQ_ADDR and LEASEQ_AUTHKEY name another server than that of `leaseq dev`.

#![allow(clippy::print_stdout)] // printing is what the recipe does

use std::time::Duration;

use leaseq_client::{Client, Error, Master};

/// The key of `leaseq dev`.
const AUTHKEY: &str = "dev";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the client waits for is said on stderr; stdout is as in the recipe.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();

    // The recipe's master makes the queues and serves them. Here the server has them: they are
    // there before the master starts, and when it has gone.
    let client = Client::builder().authkey(AUTHKEY).from_env().build()?;
    let master = Master::new(&client);

    for _ in 0..10 {
        let n = random_below(10_000)?;
        println!("Put task {n}...");
        // The recipe sends results through a queue of its own. With `.reply_to("result_queue")` on
        // the job, the server would put the result there in the commit that completes the job.
        master.put("task_queue", n.to_string()).await?;
    }

    println!("Try get results...");
    let mut results = master.results("result_queue");
    for _ in 0..10 {
        let Some(finished) = results.next_within(Duration::from_secs(10)).await? else {
            return Err("no result came within 10 s; is a worker running?".into());
        };
        println!("Result: {}", String::from_utf8_lossy(&finished.result));
    }
    // The last result is settled too; without this it would come again.
    results.done().await?;

    println!("master exit.");
    Ok(())
}

fn random_below(limit: u32) -> Result<u32, Error> {
    let random = getrandom::u32().map_err(|error| Error::Config {
        message: error.to_string(),
    })?;
    Ok(random % limit)
}
