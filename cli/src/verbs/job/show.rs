//! `leaseq job show`: everything about one job.

use std::time::SystemTime;

use clap::Args;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Show one job with its payload
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The job's id
    id: String,
    /// Print the payload alone, as it is
    #[arg(long, conflicts_with = "result")]
    payload: bool,
    /// Print the result alone, as it is
    #[arg(long)]
    result: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Show {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let job = client.get_job_full(&self.id).await?;
        match format {
            _ if self.payload => output::raw(&job.payload)?,
            _ if self.result => output::raw(&job.result)?,
            Format::Json => output::json(&show::job_json(&job, true))?,
            Format::Name => output::line(job.id.as_str())?,
            Format::Table => output::line(&show::job_facts(&job, SystemTime::now()))?,
        }
        Ok(Exit::Ok)
    }
}
