//! `leaseq queue create`: a queue with settings of its own.

use std::time::SystemTime;

use clap::Args;
use leaseq_client::Error;

use super::settings::Settings;
use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Create a queue
///
/// A put creates its queue too (unless the server is set up otherwise), with the default settings.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name: 1 to 128 of the characters a-z A-Z 0-9 . _ -, first a letter or a digit
    queue: String,
    #[command(flatten)]
    settings: Settings,
    /// A queue of that name is fine; its settings stay
    #[arg(long)]
    if_missing: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Create {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let settings = self.settings.into();
        let queue = match client.create_queue(&self.queue, settings).await {
            Err(Error::QueueExists { .. }) if self.if_missing => {
                client.get_queue(&self.queue).await?
            }
            created => created?,
        };
        match format {
            Format::Json => output::json(&show::queue_json(&queue))?,
            Format::Name => output::line(&queue.name)?,
            Format::Table => output::line(&show::queue_facts(&queue, SystemTime::now()))?,
        }
        Ok(Exit::Ok)
    }
}
