//! `leaseq job ls`: the jobs of a queue.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use leaseq_client::{Client, JobInfo, JobState, PageRequest};
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::{show, values};

/// As many as the server gives at once.
const PAGE: u32 = 1000;

/// List the jobs of a queue in put order
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// The queue
    queue: String,
    /// Only jobs in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// At most this many; 0: all
    #[arg(long, value_name = "N", default_value = "100", value_parser = values::count)]
    limit: u64,
    #[command(flatten)]
    connect: Connect,
}

/// Where a job is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum State {
    /// Waits for its time
    Scheduled,
    /// Can be leased
    Ready,
    /// A worker has it
    Leased,
    /// Done and kept
    Completed,
    /// Given up
    Dead,
    /// Cancelled and kept
    Cancelled,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Scheduled => Self::Scheduled,
            State::Ready => Self::Ready,
            State::Leased => Self::Leased,
            State::Completed => Self::Completed,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl Ls {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let list = list(&client, &self.queue, self.state.map(Into::into), self.limit).await?;
        print(&list, format)
    }
}

/// Jobs, and whether there are more.
pub(crate) struct List {
    pub(crate) jobs: Vec<JobInfo>,
    pub(crate) more: bool,
}

/// Up to `limit` jobs (0: all), page by page.
pub(crate) async fn list(
    client: &Client,
    queue: &str,
    state: Option<JobState>,
    limit: u64,
) -> Result<List, Failure> {
    let limit = match limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let mut jobs: Vec<JobInfo> = Vec::new();
    let mut token = String::new();
    loop {
        let left = limit - jobs.len();
        let size = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
        let page = client
            .list_jobs(queue, state, PageRequest { size, token })
            .await?;
        jobs.extend(page.entries);
        match page.next {
            Some(next) if jobs.len() < limit => token = next,
            next => {
                let more = next.is_some();
                return Ok(List { jobs, more });
            }
        }
    }
}

/// Prints a list of jobs of one or more queues.
pub(crate) fn print(list: &List, format: Format) -> Outcome {
    match format {
        Format::Json => {
            let jobs: Vec<_> = list
                .jobs
                .iter()
                .map(|job| show::job_json(job, false))
                .collect();
            output::json(&json!({ "jobs": jobs, "more": list.more }))?;
        }
        Format::Name => {
            for job in &list.jobs {
                output::line(job.id.as_str())?;
            }
        }
        Format::Table => {
            output::line(&table(&list.jobs))?;
            if list.more {
                eprintln!("there are more; --limit 0 lists all");
            }
        }
    }
    Ok(Exit::Ok)
}

fn table(jobs: &[JobInfo]) -> String {
    let now = SystemTime::now();
    let rows = jobs.iter().map(|job| {
        [
            job.id.to_string(),
            job.queue.clone(),
            job.state.to_string(),
            format!("{}/{}", job.attempts, job.max_attempts),
            job.put_time
                .map_or_else(String::new, |time| output::age(time, now)),
            output::bytes(job.size_bytes),
            note(job, now),
        ]
    });
    output::table(
        ["ID", "QUEUE", "STATE", "ATTEMPTS", "AGE", "SIZE", "NOTE"],
        rows.collect(),
    )
}

/// What is worth saying of a job in this state.
fn note(job: &JobInfo, now: SystemTime) -> String {
    const NOTE_CHARS: usize = 60;
    let note = match (job.state, job.ready_time, &job.worker, &job.last_error) {
        (JobState::Scheduled, Some(time), _, _) => {
            format!("ready in {}", output::age(now, time))
        }
        (JobState::Leased, _, Some(worker), _) => format!("worker {worker}"),
        (_, _, _, Some(error)) => error.lines().next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match note.char_indices().nth(NOTE_CHARS) {
        Some((end, _)) => format!("{}…", note.get(..end).unwrap_or_default()),
        None => note,
    }
}
