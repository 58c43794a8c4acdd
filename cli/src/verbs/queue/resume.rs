//! `leaseq queue resume`.

use clap::Args;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Lease from a paused queue again
///
/// Workers that wait get jobs at once.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The queue
    queue: String,
    #[command(flatten)]
    connect: Connect,
}

impl Resume {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let queue = client.resume_queue(&self.queue).await?;
        match format {
            Format::Json => output::json(&show::queue_json(&queue))?,
            Format::Name => output::line(&queue.name)?,
            Format::Table => output::line(&format!("queue {:?} is active", queue.name))?,
        }
        Ok(Exit::Ok)
    }
}
