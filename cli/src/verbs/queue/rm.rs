//! `leaseq queue rm`: a queue is deleted.

use clap::Args;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};

/// Delete a queue and the jobs in it
///
/// Without --force it only says what would go.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The queue
    queue: String,
    /// Do it: jobs in the queue are cancelled, and leased ones lose their leases
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Rm {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let count = if self.force {
            client.delete_queue(&self.queue, true).await?
        } else {
            let stats = client.get_queue(&self.queue).await?.stats;
            stats.scheduled
                + stats.ready
                + stats.leased
                + stats.completed
                + stats.dead
                + stats.cancelled
        };
        match format {
            Format::Json => output::json(&json!({
                "queue": self.queue,
                "job_count": count,
                "done": self.force,
            }))?,
            Format::Name => output::line(&self.queue)?,
            Format::Table => {
                let what = format!("queue {:?} with {}", self.queue, output::jobs(count));
                output::line(&if self.force {
                    format!("{what} deleted")
                } else {
                    format!("{what} would be deleted; nothing was done: --force does it")
                })?;
            }
        }
        Ok(Exit::Ok)
    }
}
