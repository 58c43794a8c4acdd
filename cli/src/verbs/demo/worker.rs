//! A worker of the demo: a process of its own that squares numbers, slowly, and says on stdout
//! what it is doing.

use std::time::Duration;

use clap::Args;
use leaseq_client::{Client, Job, JobError, Worker};

use crate::exit::{Exit, Outcome};
use crate::output;
use crate::values;

/// The queue the demo's jobs are put on.
pub(super) const QUEUE: &str = "squares";

/// A worker of `leaseq demo`
#[derive(Debug, Args)]
pub(crate) struct DemoWorker {
    /// Its name
    #[arg(long)]
    name: String,
    /// How long it takes for one job
    #[arg(long, value_parser = values::duration)]
    pause: Duration,
}

/// What a worker says: that it has leased a job. The one line of its protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Leased {
    pub(super) job_id: String,
    pub(super) number: u64,
    pub(super) attempt: u32,
}

impl Leased {
    fn to_line(&self) -> String {
        format!("leased {} {} {}", self.job_id, self.number, self.attempt)
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("leased ")?.split(' ');
        Some(Self {
            job_id: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            attempt: words.next()?.parse().ok()?,
        })
    }
}

impl DemoWorker {
    pub(crate) async fn run(self) -> Outcome {
        // Address and key come from the environment, as for any worker.
        let client = Client::builder().from_env().wait_forever().build()?;
        let pause = self.pause;
        Worker::new(&client, QUEUE)
            .name(self.name)
            .run(move |job: Job| async move { square(&job, pause).await })
            .await?;
        Ok(Exit::Ok)
    }
}

async fn square(job: &Job, pause: Duration) -> Result<String, JobError> {
    let number: u64 = job.text()?.parse().map_err(JobError::reject)?;
    let leased = Leased {
        job_id: job.id().to_owned(),
        number,
        attempt: job.attempt(),
    };
    // Nobody listens any more: then there is no demo any more.
    output::line(&leased.to_line()).map_err(|_| JobError::release())?;
    tokio::time::sleep(pause).await;
    Ok((number * number).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let leased = Leased {
            job_id: "0198".to_owned(),
            number: 7,
            attempt: 2,
        };
        assert_eq!(Leased::from_line(&leased.to_line()), Some(leased));
        assert_eq!(Leased::from_line("something else"), None);
    }
}
