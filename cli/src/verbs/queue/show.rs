//! `leaseq queue show`: one queue with its settings and counts.

use std::time::SystemTime;

use clap::Args;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Show one queue with its settings and counts
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The queue
    queue: String,
    #[command(flatten)]
    connect: Connect,
}

impl Show {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let queue = client.get_queue(&self.queue).await?;
        match format {
            Format::Json => output::json(&show::queue_json(&queue))?,
            Format::Name => output::line(&queue.name)?,
            Format::Table => output::line(&show::queue_facts(&queue, SystemTime::now()))?,
        }
        Ok(Exit::Ok)
    }
}
