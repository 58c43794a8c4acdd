//! `leaseq put`: jobs onto a queue.

use std::io::BufRead;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::Args;
use leaseq_client::{Client, NewJob, PutAnswer};
use serde_json::json;
use uuid::Uuid;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::verbs::job::wait::print_end;
use crate::{payload, values};

/// As many jobs as one call may carry unless the server is set up otherwise.
const BATCH_JOBS: usize = 1000;
/// And as many bytes: the rest of the server's 4 MiB is for what goes around payloads.
const BATCH_BYTES: usize = 3 << 20;
/// A result that somebody waits for is kept at least this long, so that it cannot be gone before
/// the wait has begun.
const RETENTION_FOR_WAIT: Duration = Duration::from_secs(60);

/// Put jobs on a queue and print their ids
///
/// The jobs are durable when the ids are printed. Several payloads are put all or nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leaseq put jobs '{\"n\": 1}'
  leaseq put jobs @photo.jpg --delay 10m --header type=jpeg
  seq 1000 | leaseq put jobs --lines
  leaseq put squares 12 --wait-result 30s")]
pub(crate) struct Put {
    /// The queue; it is created if it is not there
    queue: String,
    #[arg(help = payload::HELP, required_unless_present = "lines")]
    payload: Vec<String>,
    /// Each line of stdin is the payload of one job
    #[arg(long, conflicts_with_all = ["payload", "request_id", "wait_result", "count"])]
    lines: bool,
    /// Put each payload this many times
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::positive_count)]
    count: u64,
    /// Not ready before this much time has passed
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::duration,
        conflicts_with = "ready_time"
    )]
    delay: Option<Duration>,
    /// Not ready before this moment: 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339_weak)]
    ready_time: Option<SystemTime>,
    /// Higher is leased first, -1000 to 1000
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    priority: i32,
    /// How often the job may be leased before a failure makes it dead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_attempts: Option<u32>,
    /// The longest one attempt may run
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    max_run_time: Option<Duration>,
    /// The queue that gets the outcome when the job has ended
    #[arg(long, value_name = "QUEUE")]
    reply_to: Option<String>,
    /// A small text value that travels with the job; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::header)]
    header: Vec<(String, String)>,
    /// How long job and result can still be read after it has ended
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    retention: Option<Duration>,
    /// A UUID: putting again with the same one adds nothing and prints the first ids
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
    /// How long to wait for room when the queue is full
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    wait: Option<Duration>,
    /// Wait for the job's end and print its result instead of its id
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    wait_result: Option<Duration>,
    #[command(flatten)]
    connect: Connect,
}

impl Put {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        if self.lines {
            return self.put_lines(&client, format).await;
        }
        if self
            .payload
            .iter()
            .filter(|payload| *payload == "-")
            .count()
            > 1
        {
            return Err(Failure::usage("stdin (-) can be read only once"));
        }
        let mut jobs = Vec::new();
        for argument in &self.payload {
            let payload = payload::read(argument)?;
            jobs.extend((0..self.count).map(|_| self.job(payload.clone())));
        }
        if self.wait_result.is_some() && jobs.len() != 1 {
            return Err(Failure::usage(
                "--wait-result waits for one job; give one payload",
            ));
        }
        if jobs.len() > BATCH_JOBS {
            return self.put_many(&client, jobs, format).await;
        }
        let answer = self.put_once(&client, jobs).await?;
        match self.wait_result {
            Some(wait) => self.wait(&client, &answer, wait, format).await,
            None => print(&answer, format),
        }
    }

    fn job(&self, payload: Bytes) -> NewJob {
        let mut job = NewJob::new(payload).priority(self.priority);
        for (name, value) in &self.header {
            job = job.header(name, value);
        }
        if let Some(delay) = self.delay {
            job = job.delay(delay);
        }
        if let Some(time) = self.ready_time {
            job = job.ready_time(time);
        }
        if let Some(attempts) = self.max_attempts {
            job = job.max_attempts(attempts);
        }
        if let Some(limit) = self.max_run_time {
            job = job.max_run_time(limit);
        }
        if let Some(queue) = &self.reply_to {
            job = job.reply_to(queue);
        }
        let retention = match (self.retention, self.wait_result) {
            (None, Some(_)) => Some(RETENTION_FOR_WAIT),
            (given, _) => given,
        };
        match retention {
            Some(retention) => job.result_retention(retention),
            None => job,
        }
    }

    async fn put_once(&self, client: &Client, jobs: Vec<NewJob>) -> Result<PutAnswer, Failure> {
        let mut put = client.put_batch(&self.queue, jobs);
        if let Some(id) = self.request_id {
            put = put.request_id(id);
        }
        if let Some(wait) = self.wait {
            put = put.wait(wait);
        }
        Ok(put.await?)
    }

    /// More jobs than one call can carry.
    async fn put_many(&self, client: &Client, jobs: Vec<NewJob>, format: Format) -> Outcome {
        if self.request_id.is_some() {
            return Err(Failure::usage(format!(
                "--request-id is for one call, and that carries at most {BATCH_JOBS} jobs"
            )));
        }
        let mut jobs = jobs;
        while !jobs.is_empty() {
            let later = jobs.split_off(jobs.len().min(BATCH_JOBS));
            let answer = self
                .put_once(client, std::mem::replace(&mut jobs, later))
                .await?;
            print(&answer, format)?;
        }
        Ok(Exit::Ok)
    }

    /// Lines go out as they come, in calls as large as they may be.
    async fn put_lines(&self, client: &Client, format: Format) -> Outcome {
        let (sender, mut lines) = tokio::sync::mpsc::channel(2 * BATCH_JOBS);
        // A thread of its own, because stdin blocks; it ends with stdin or with the receiver.
        let reader = tokio::task::spawn_blocking(move || read_lines(&sender));
        let mut batch = Vec::new();
        while lines.recv_many(&mut batch, BATCH_JOBS).await > 0 {
            for jobs in split_by_bytes(std::mem::take(&mut batch)) {
                let jobs = jobs.into_iter().map(|line| self.job(line)).collect();
                let answer = self.put_once(client, jobs).await?;
                print(&answer, format)?;
            }
        }
        match reader.await {
            Ok(Ok(())) => Ok(Exit::Ok),
            Ok(Err(error)) => Err(Failure::error(format!("cannot read stdin: {error}"))),
            Err(panic) => Err(Failure::error(panic.to_string())),
        }
    }

    async fn wait(
        &self,
        client: &Client,
        answer: &PutAnswer,
        wait: Duration,
        format: Format,
    ) -> Outcome {
        let Some(id) = answer.job_ids.first() else {
            return Err(Failure::error("the server answered without an id"));
        };
        let waited = client.wait_job(id, wait).await?;
        print_end(id.as_str(), waited, wait, format)
    }
}

fn read_lines(sender: &tokio::sync::mpsc::Sender<Bytes>) -> std::io::Result<()> {
    for line in std::io::stdin().lock().split(b'\n') {
        let mut line = line?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if sender.blocking_send(line.into()).is_err() {
            break;
        }
    }
    Ok(())
}

/// Parts that each fit into one call.
fn split_by_bytes(payloads: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let mut parts: Vec<Vec<Bytes>> = Vec::new();
    let mut bytes = 0;
    for payload in payloads {
        bytes += payload.len();
        match parts.last_mut() {
            Some(part) if bytes <= BATCH_BYTES => part.push(payload),
            _ => {
                bytes = payload.len();
                parts.push(vec![payload]);
            }
        }
    }
    parts
}

fn print(answer: &PutAnswer, format: Format) -> Outcome {
    let ids: Vec<&str> = answer.job_ids.iter().map(AsRef::as_ref).collect();
    match format {
        Format::Json => output::json(&json!({
            "job_ids": ids,
            "deduplicated": answer.deduplicated,
        }))?,
        Format::Table | Format::Name => output::line(&ids.join("\n"))?,
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_not_larger_than_they_may_be() {
        let payload = Bytes::from(vec![0; 1 << 20]);
        let parts = split_by_bytes(vec![payload; 7]);
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 1]);
        assert!(split_by_bytes(Vec::new()).is_empty());
    }

    #[test]
    fn one_payload_that_is_too_large_goes_out_alone() {
        let payload = Bytes::from(vec![0; BATCH_BYTES + 1]);
        let sizes: Vec<usize> = split_by_bytes(vec![payload, Bytes::new()])
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(sizes, [1, 1], "the server says no, not this program");
    }
}
