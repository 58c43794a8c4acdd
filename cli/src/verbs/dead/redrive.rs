//! `leaseq dead redrive`: dead jobs get another set of attempts.

use clap::Args;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::values;

/// Make dead jobs ready again with a fresh set of attempts
///
/// Without --force it only says how many there are.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// The queue
    queue: String,
    /// At most this many, the oldest first; 0: all
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::count)]
    max_jobs: u64,
    /// Do it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Redrive {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let count = client
            .redrive_jobs(&self.queue, self.max_jobs, self.force)
            .await?;
        match format {
            Format::Json => output::json(&json!({ "job_count": count, "done": self.force }))?,
            Format::Name => output::line(&count.to_string())?,
            Format::Table if self.force => {
                output::line(&format!(
                    "{} of {:?} redriven",
                    output::jobs(count),
                    self.queue
                ))?;
            }
            Format::Table => output::line(&format!(
                "{} of {:?} would be made ready again; nothing was done: --force does it",
                output::jobs(count),
                self.queue
            ))?,
        }
        Ok(Exit::Ok)
    }
}
