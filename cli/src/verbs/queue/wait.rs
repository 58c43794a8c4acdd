//! `leaseq queue wait`: `queue.join()` over the network.

use std::time::Duration;

use clap::{Args, ValueEnum};
use leaseq_client::WaitUntil;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::values;

/// Wait until all jobs of a queue are settled
///
/// Not in time: exit code 3.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The queue; one that does not exist is empty
    queue: String,
    /// What to wait for
    #[arg(long, value_enum, value_name = "STATE", default_value = "settled")]
    until: Until,
    /// How long
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::duration)]
    wait: Duration,
    #[command(flatten)]
    connect: Connect,
}

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Until {
    /// Nothing scheduled, ready or leased
    Settled,
    /// Nothing scheduled or ready; workers may still run what they hold
    Empty,
}

impl Wait {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let (until, word) = match self.until {
            Until::Settled => (WaitUntil::Settled, "settled"),
            Until::Empty => (WaitUntil::Empty, "empty"),
        };
        let stands = client.wait_queue(&self.queue, until, self.wait).await?;
        let counts = format!(
            "{} scheduled, {} ready, {} leased",
            stands.scheduled, stands.ready, stands.leased
        );
        match format {
            Format::Json => output::json(&json!({
                "done": stands.done,
                "scheduled_count": stands.scheduled,
                "ready_count": stands.ready,
                "leased_count": stands.leased,
            }))?,
            Format::Table if stands.done => {
                output::line(&format!("queue {:?} is {word} ({counts})", self.queue))?;
            }
            Format::Name if stands.done => output::line(&self.queue)?,
            Format::Table | Format::Name => {
                let wait = output::duration(self.wait);
                eprintln!(
                    "queue {:?} is not {word} after {wait} ({counts})",
                    self.queue
                );
            }
        }
        Ok(if stands.done { Exit::Ok } else { Exit::Empty })
    }
}
