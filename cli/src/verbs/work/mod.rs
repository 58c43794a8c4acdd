//! `leaseq work`: any program as a worker.

mod command;
mod pace;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use leaseq_client::{Client, Job, JobError, WaitUntil, Worker};
use serde_json::json;
use tokio::sync::SetOnce;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::notice::{self, Notices};
use crate::output::{self, Format};
use crate::{platform, values};
use command::{Input, JobCommand, Verdict};
use pace::Pace;

/// Run a program for each job of a queue
///
/// The program gets the payload on its stdin and, in its arguments, in place of {}. What it writes
/// to stdout is the job's result. Its exit code settles the job:
///
///   0   complete, with stdout as the result
///   65  reject: the job can never succeed and is dead now (EX_DATAERR)
///   75  release: not now; back in a second, the attempt is not counted (EX_TEMPFAIL)
///   else fail: tried again or, after its last attempt, dead; the end of stderr is the error
///
/// In its environment: `LEASEQ_JOB_ID`, `LEASEQ_QUEUE`, `LEASEQ_ATTEMPT`, `LEASEQ_MAX_ATTEMPTS`,
/// `LEASEQ_FENCING_NUMBER`. Leases are kept for as long as the program runs. A job that is
/// cancelled or lost kills its program. Ctrl-C or SIGTERM: no more jobs, what runs may finish; a
/// second one ends at once.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  leaseq work jobs -- ./resize.sh
  leaseq work urls --concurrency 8 -- curl -sf {}
  leaseq work words --until-empty -- wc -w"
)]
pub(crate) struct Work {
    /// The queue; several: separate them with commas
    #[arg(required = true, value_delimiter = ',')]
    queue: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// How many programs run at the same time
    #[arg(
        long,
        short = 'c',
        value_name = "N",
        default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    concurrency: u32,
    /// A name for this worker, shown by `leaseq job show` [default: program and process id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long leases outlive the last sign of life of this worker [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    lease_duration: Option<Duration>,
    /// End when no job has come for this long
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    exit_when_idle: Option<Duration>,
    /// End when no job is left: none scheduled, ready or leased
    #[arg(long, conflicts_with = "exit_when_idle")]
    until_empty: bool,
    /// Say nothing about jobs that are completed
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Work {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        // The first answer must come soon, so that a wrong address or key is told at once; after
        // that the worker waits for its server however long that is away.
        notice::listen(Notices::All);
        let info = self.connect.client()?.server_info().await?;
        let Some(command) = JobCommand::new(&self.command, info.limits.payload_bytes_max) else {
            return Err(Failure::usage("there is no command"));
        };
        let pace = Arc::new(Pace::new(self.exit_when_idle));
        let desk = Arc::new(Desk {
            command,
            pace: Arc::clone(&pace),
            format,
            quiet: self.quiet,
            broken: SetOnce::new(),
        });
        let at_desk = Arc::clone(&desk);
        let handler = move |job: Job| {
            let desk = Arc::clone(&at_desk);
            async move { desk.work_on(job).await }
        };
        let worker = self.worker()?;
        self.announce(format);
        let client = self.connect.patient_client()?;
        let shutdown = async {
            tokio::select! {
                () = pace.idle() => {}
                ended = self.all_settled(&client) => {
                    if let Err(error) = ended {
                        // What runs may finish, and then this is told.
                        let _ = desk.broken.set(error.to_string());
                    }
                }
                _ = desk.broken.wait() => {}
                () = platform::stop_requested() => {
                    eprintln!("taking no more jobs; what runs may finish (again: end at once)");
                }
            }
        };
        tokio::select! {
            ended = worker.run_until(handler, shutdown) => ended?,
            // Programs die with their handles; their jobs come back after the grace.
            () = second_stop() => return Err(Failure::error("interrupted: jobs that ran go back")),
        }
        match desk.broken.get() {
            Some(why) => Err(Failure::error(why)),
            None => Ok(Exit::Ok),
        }
    }

    fn worker(&self) -> Result<Worker, Failure> {
        let client = self.connect.patient_client()?;
        let mut queues = self.queue.iter();
        let Some(first) = queues.next() else {
            return Err(Failure::usage("there is no queue"));
        };
        let mut worker = Worker::new(&client, first).concurrency(self.concurrency);
        for queue in queues {
            worker = worker.queue(queue);
        }
        if let Some(name) = &self.name {
            worker = worker.name(name);
        }
        if let Some(duration) = self.lease_duration {
            worker = worker.lease_duration(duration);
        }
        Ok(worker)
    }

    /// Waits until no job is left on any of the queues; for ever if that is not asked for.
    async fn all_settled(&self, client: &Client) -> leaseq_client::Result<()> {
        const ONE_WAIT: Duration = Duration::from_secs(60);
        if !self.until_empty {
            return std::future::pending().await;
        }
        for queue in &self.queue {
            while !client
                .wait_queue(queue, WaitUntil::Settled, ONE_WAIT)
                .await?
                .done
            {}
        }
        Ok(())
    }

    fn announce(&self, format: Format) {
        if format == Format::Table && !self.quiet {
            let queues = self.queue.join(", ");
            let program = self.command.first().map(|word| word.display().to_string());
            let program = program.unwrap_or_default();
            eprintln!("{program} works on {queues}; ctrl-c ends");
        }
    }
}

/// Waits for the second request to stop.
async fn second_stop() {
    platform::stop_requested().await;
    platform::stop_requested().await;
}

/// Where each job is worked on and written down.
struct Desk {
    command: JobCommand,
    pace: Arc<Pace>,
    format: Format,
    quiet: bool,
    /// Why this cannot go on.
    broken: SetOnce<String>,
}

impl Desk {
    async fn work_on(&self, job: Job) -> Result<Bytes, JobError> {
        let _busy = self.pace.begin();
        let input = Input {
            payload: job.payload().clone(),
            environment: vec![
                ("LEASEQ_JOB_ID", job.id().to_owned()),
                ("LEASEQ_QUEUE", job.queue().to_owned()),
                ("LEASEQ_ATTEMPT", job.attempt().to_string()),
                ("LEASEQ_MAX_ATTEMPTS", job.max_attempts().to_string()),
                ("LEASEQ_FENCING_NUMBER", job.fencing_number().to_string()),
            ],
        };
        let stop = async {
            job.cancelled().await;
            "the work was no longer wanted".to_owned()
        };
        let start = Instant::now();
        let verdict = self.command.run(input, stop).await;
        self.write_down(&job, &verdict, start.elapsed());
        match verdict {
            Verdict::Complete(result) => Ok(result),
            Verdict::Fail(error) => Err(JobError::fail(error)),
            Verdict::Reject(error) => Err(JobError::reject(error)),
            Verdict::Release(delay) => Err(JobError::release_after(delay)),
            Verdict::Broken(why) => {
                // Jobs that ran at the same time may have said so before.
                let _ = self.broken.set(why);
                // Not at once, or it would come straight back to this worker, which is leaving.
                Err(JobError::release_after(Duration::from_secs(1)))
            }
        }
    }

    /// One line for each job: on stderr for people, on stdout for programs.
    fn write_down(&self, job: &Job, verdict: &Verdict, time: Duration) {
        let (word, error) = match verdict {
            Verdict::Complete(_) => ("completed", None),
            Verdict::Fail(error) => ("failed", Some(error)),
            Verdict::Reject(error) => ("rejected", Some(error)),
            Verdict::Release(_) | Verdict::Broken(_) => ("released", None),
        };
        // Nobody may be listening any more; the job is settled all the same.
        let _ = match self.format {
            Format::Json => output::json(&json!({
                "job_id": job.id(),
                "queue": job.queue(),
                "attempt": job.attempt(),
                "verdict": word,
                "error": error,
                "seconds": time.as_secs_f64(),
            })),
            Format::Name => output::line(job.id()),
            Format::Table if self.quiet && error.is_none() => Ok(()),
            Format::Table => {
                let attempt = format!("attempt {}/{}", job.attempt(), job.max_attempts());
                let error = error.map(|error| format!(": {error}")).unwrap_or_default();
                let millis = time.as_millis();
                eprintln!("{} {word} ({attempt}, {millis} ms){error}", job.id());
                Ok(())
            }
        };
    }
}
