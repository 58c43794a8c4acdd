//! `leaseq queue purge`: ends the jobs of a queue that are in one state.

use clap::{Args, ValueEnum};
use leaseq_client::JobState;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};

/// Cancel or forget the jobs of a queue
///
/// Ready and scheduled jobs are cancelled (their outcomes go out), dead and kept ones are
/// forgotten; leased ones cannot be purged. Without --force it only says how many there are.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The queue
    queue: String,
    /// Only jobs in this state [default: ready and scheduled]
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<Purgeable>,
    /// Do it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connect: Connect,
}

/// The states that can be purged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Purgeable {
    Ready,
    Scheduled,
    Dead,
    Completed,
    Cancelled,
}

impl From<Purgeable> for JobState {
    fn from(state: Purgeable) -> Self {
        match state {
            Purgeable::Ready => Self::Ready,
            Purgeable::Scheduled => Self::Scheduled,
            Purgeable::Dead => Self::Dead,
            Purgeable::Completed => Self::Completed,
            Purgeable::Cancelled => Self::Cancelled,
        }
    }
}

impl Purge {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let state = self.state.map(JobState::from);
        let count = client.purge_jobs(&self.queue, state, self.force).await?;
        match format {
            Format::Json => output::json(&json!({ "job_count": count, "done": self.force }))?,
            Format::Name => output::line(&count.to_string())?,
            Format::Table => {
                let jobs = self.describe(count);
                output::line(&if self.force {
                    format!("{jobs} of {:?} purged", self.queue)
                } else {
                    format!(
                        "{jobs} of {:?} would be purged; nothing was done: --force does it",
                        self.queue
                    )
                })?;
            }
        }
        Ok(Exit::Ok)
    }

    /// `3 dead jobs`, `1 ready or scheduled job`.
    fn describe(&self, count: u64) -> String {
        let state = match self.state {
            None => "ready or scheduled",
            Some(state) => JobState::from(state).as_str(),
        };
        let jobs = output::jobs(count);
        match jobs.split_once(' ') {
            Some((number, noun)) => format!("{number} {state} {noun}"),
            None => jobs,
        }
    }
}
