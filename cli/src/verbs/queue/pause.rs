//! `leaseq queue pause`.

use clap::Args;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Stop leasing from a queue
///
/// Puts and settlements go on, and what is leased may finish.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The queue
    queue: String,
    #[command(flatten)]
    connect: Connect,
}

impl Pause {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let queue = client.pause_queue(&self.queue).await?;
        match format {
            Format::Json => output::json(&show::queue_json(&queue))?,
            Format::Name => output::line(&queue.name)?,
            Format::Table => output::line(&format!(
                "queue {:?} is paused; leaseq queue resume goes on",
                queue.name
            ))?,
        }
        Ok(Exit::Ok)
    }
}
