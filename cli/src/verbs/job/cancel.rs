//! `leaseq job cancel`: one job is not wanted any more.

use clap::Args;
use leaseq_client::JobState;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};

/// Cancel jobs
///
/// A scheduled or ready job ends at once. A leased one goes on until its worker, which is told,
/// stops or loses its lease; if it completes all the same, that counts.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The job's id
    #[arg(required = true)]
    id: Vec<String>,
    /// Why, for people; it becomes the outcome's error
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    #[command(flatten)]
    connect: Connect,
}

impl Cancel {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        for id in &self.id {
            let state = client.cancel_job(id, &self.reason).await?;
            match (format, state) {
                (Format::Json, _) => {
                    output::json(&json!({ "job_id": id, "state": state.as_str() }))?;
                }
                (Format::Name, _) => output::line(id)?,
                (Format::Table, JobState::Cancelled) => {
                    output::line(&format!("{id} is cancelled"))?;
                }
                (Format::Table, _) => {
                    output::line(&format!(
                        "{id} is {state}; its worker has been asked to stop"
                    ))?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}
