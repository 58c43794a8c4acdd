//! `leaseq get`: one job for somebody at a terminal or in a script.

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime};

use clap::Args;
use leaseq_client::{Client, Leased};
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::{show, values};

/// Lease a job, print its payload and complete it
///
/// The job is completed after its payload has been written: if that fails, it is given back. With
/// --keep it stays leased, and its token is printed for `leaseq settle` and `leaseq extend`.
/// Nothing in time: exit code 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leaseq get jobs --wait 5s
  leaseq get jobs --keep --lease-duration 10m
  while leaseq get jobs > job.json; do work-on job.json; done")]
pub(crate) struct Get {
    /// The queue
    queue: String,
    /// How long to wait for a job
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = values::duration)]
    wait: Duration,
    /// Leave the job leased and print its token too
    #[arg(long)]
    keep: bool,
    /// At most this many jobs
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    max_jobs: u32,
    /// How long the lease lasts unless extended [default: the queue's]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    lease_duration: Option<Duration>,
    /// A name for this worker, shown by `leaseq job show`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "leaseq get",
        hide_default_value = true
    )]
    worker: String,
    #[command(flatten)]
    connect: Connect,
}

impl Get {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let mut get = client
            .get(&self.queue)
            .wait(self.wait)
            .max_jobs(self.max_jobs)
            .worker(&self.worker);
        if let Some(duration) = self.lease_duration {
            get = get.lease_duration(duration);
        }
        let leased = get.leased().await?;
        if leased.jobs.is_empty() {
            return self.nothing(format);
        }
        let printed = match format {
            Format::Json => self.print_json(&leased),
            Format::Name => print_ids(&leased),
            Format::Table if self.keep => self.print_facts(&leased),
            Format::Table => print_payloads(&leased),
        };
        if self.keep {
            return printed.map(|()| Exit::Ok);
        }
        settle(&client, &leased, printed).await
    }

    fn nothing(&self, format: Format) -> Outcome {
        if format == Format::Json {
            output::json(&json!({ "jobs": [] }))?;
        }
        if self.wait.is_zero() {
            eprintln!(
                "queue {:?} has no ready job; --wait 5s waits for one",
                self.queue
            );
        } else {
            let wait = output::duration(self.wait);
            eprintln!("queue {:?}: no job came in {wait}", self.queue);
        }
        Ok(Exit::Empty)
    }

    fn print_json(&self, leased: &Leased) -> Result<(), Failure> {
        let jobs: Vec<_> = leased
            .jobs
            .iter()
            .map(|job| show::leased_json(&self.queue, job, leased.expire_time))
            .collect();
        output::json(&json!({ "jobs": jobs }))
    }

    fn print_facts(&self, leased: &Leased) -> Result<(), Failure> {
        let now = SystemTime::now();
        for (number, job) in leased.jobs.iter().enumerate() {
            if number > 0 {
                output::line("")?;
            }
            let facts = show::leased_facts(&self.queue, job, leased.expire_time, now);
            output::line(&facts)?;
        }
        eprintln!("when it is done: leaseq settle TOKEN --complete RESULT");
        Ok(())
    }
}

fn print_ids(leased: &Leased) -> Result<(), Failure> {
    leased
        .jobs
        .iter()
        .try_for_each(|job| output::line(job.id()))
}

/// The payload alone, as it is. People at a terminal, and payloads after one another, get a line
/// end where there is none.
fn print_payloads(leased: &Leased) -> Result<(), Failure> {
    let separate = leased.jobs.len() > 1 || io::stdout().is_terminal();
    for job in &leased.jobs {
        output::raw(job.payload())?;
        if separate && !job.payload().ends_with(b"\n") {
            output::raw(b"\n")?;
        }
    }
    Ok(())
}

/// Completes what was printed; gives back what could not be.
async fn settle(client: &Client, leased: &Leased, printed: Result<(), Failure>) -> Outcome {
    let verdicts = leased.jobs.iter().map(|job| match printed {
        Ok(()) => job.complete(Vec::new()),
        Err(_) => job.release(),
    });
    let statuses = client.settle(verdicts.collect()).await;
    printed?;
    for status in statuses? {
        status?;
    }
    Ok(Exit::Ok)
}
