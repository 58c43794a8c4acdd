//! What was found in a data directory, as text and as JSON.

use std::path::Path;
use std::time::{Duration, SystemTime};

use leaseq_engine::command::{Command, Read};
use leaseq_engine::effect::{Effect, QueueView, Reply};
use leaseq_engine::id::{JobId, QueueName, Scope, Ticket};
use leaseq_engine::settings::EngineConfig;
use leaseq_engine::time::Time;
use leaseq_engine::{Engine, Output};
use leaseq_store::doctor::{Findings, examine};
use leaseq_store::{DamagedContent, StoreError};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::output;

/// What was found.
pub(super) struct Report {
    findings: Findings,
    /// As far as the journal could be read.
    queues: Vec<QueueView>,
    /// What keeps a server from starting, in one sentence.
    pub(super) problem: Option<String>,
    /// The jobs whose contents cannot be read.
    pub(super) damaged: Vec<DamagedJob>,
}

/// A job whose payload or result cannot be read.
pub(super) struct DamagedJob {
    queue: QueueName,
    id: JobId,
    /// The file, the place and what is wrong.
    what: String,
}

impl DamagedJob {
    pub(super) fn find(engine: &Engine, content: &DamagedContent) -> Option<Self> {
        let (id, queue) = engine.identify(content.job)?;
        let what = content.to_string();
        Some(Self { queue, id, what })
    }
}

impl Report {
    pub(super) fn of(dir: &Path) -> Result<Self, Failure> {
        let mut engine = Engine::new(EngineConfig::default());
        let findings = examine(dir, &mut |batch, trimmed| {
            batch
                .transitions
                .iter()
                .try_for_each(|transition| engine.restore(transition, trimmed))
                .map_err(|error| error.to_string())
        })
        .map_err(|error| cannot_examine(dir, &error))?;
        if findings.segments.is_empty() && findings.problem.is_none() {
            return Err(Failure::error(format!(
                "{} holds no journal: it is not a data directory, or no server has written to it",
                dir.display()
            ))
            .hint("leaseq doctor DIR   (the --data of the server)"));
        }

        // At the very time of the last batch nothing falls due.
        engine.restored(
            findings.last_time,
            findings.last_time,
            None,
            &mut Output::default(),
        );
        let broken_rule = engine
            .check_invariants()
            .err()
            .map(|rule| format!("the journal can be read, but what it says is broken: {rule}"));
        let problem = findings.problem.as_ref().map(sentence).or(broken_rule);
        let damaged = findings.damaged.iter();
        let damaged = damaged.filter_map(|content| DamagedJob::find(&engine, content));
        Ok(Self {
            damaged: damaged.collect(),
            queues: queues(&mut engine, findings.last_time),
            findings,
            problem,
        })
    }

    fn batches(&self) -> u64 {
        self.findings.segments.iter().map(|s| s.batches).sum()
    }

    pub(super) fn print(&self, dir: &Path) -> Result<(), Failure> {
        let findings = &self.findings;
        let disk_bytes = findings.segments.iter().map(|segment| segment.bytes).sum();
        output::line(&output::facts(&[
            ("directory", dir.display().to_string()),
            ("segments", findings.segments.len().to_string()),
            ("batches", output::grouped(self.batches())),
            ("on disk", output::bytes(disk_bytes)),
            ("live jobs", output::bytes(findings.live_bytes)),
            ("starts", output::grouped(findings.starts)),
            ("last batch", last_batch(findings.last_time)),
        ]))?;
        let segments = findings.segments.iter().map(|segment| {
            [
                segment.name.clone(),
                output::bytes(segment.bytes),
                output::bytes(segment.used),
                output::grouped(segment.batches),
            ]
        });
        output::line("")?;
        output::line(&output::table(
            ["SEGMENT", "SIZE", "USED", "BATCHES"],
            segments.collect(),
        ))?;
        output::line("")?;
        output::line(&self.queue_table())?;
        self.print_end()
    }

    fn queue_table(&self) -> String {
        if self.queues.is_empty() {
            return "no queue".to_owned();
        }
        let rows = self.queues.iter().map(|queue| {
            let counts = &queue.counts;
            let numbers = [
                counts.ready,
                counts.scheduled,
                counts.leased,
                counts.completed,
                counts.dead,
                counts.cancelled,
            ];
            let [ready, scheduled, leased, completed, dead, cancelled] =
                numbers.map(output::grouped);
            [
                queue.name.to_string(),
                ready,
                scheduled,
                leased,
                completed,
                dead,
                cancelled,
                output::bytes(queue.bytes),
            ]
        });
        let headings = [
            "QUEUE",
            "READY",
            "SCHEDULED",
            "LEASED",
            "COMPLETED",
            "DEAD",
            "CANCELLED",
            "SIZE",
        ];
        output::table(headings, rows.collect())
    }

    fn print_end(&self) -> Result<(), Failure> {
        output::line("")?;
        if let Some((file, offset, bytes)) = &self.findings.torn {
            output::line(&format!(
                "{file} ends at byte {offset} in a batch that was never finished ({}); it was \
                 never acknowledged, and the next start cuts it off",
                output::bytes(*bytes)
            ))?;
        }
        if !self.damaged.is_empty() {
            output::line(&damaged_table(&self.damaged))?;
            output::line("")?;
        }
        output::line(match (&self.problem, self.damaged.len()) {
            (Some(_), _) => "NOT sound; the counts above are of what comes before the damage",
            (None, 0) => {
                "sound: every batch and every payload that is needed was read, and all counts agree"
            }
            (None, _) => {
                "NOT sound: all batches are, but the payloads of the jobs above are damaged; a \
                 server starts and ends these jobs alone"
            }
        })
    }

    pub(super) fn to_json(&self, dir: &Path) -> Value {
        let findings = &self.findings;
        let segments = findings.segments.iter().map(|segment| {
            json!({
                "name": segment.name,
                "bytes": segment.bytes,
                "used_bytes": segment.used,
                "batches": segment.batches,
            })
        });
        let torn = findings
            .torn
            .as_ref()
            .map(|(file, offset, bytes)| json!({ "file": file, "offset": offset, "bytes": bytes }));
        json!({
            "directory": dir.display().to_string(),
            "sound": self.problem.is_none() && self.damaged.is_empty(),
            "problem": self.problem,
            "damaged_jobs": self.damaged.iter().map(damaged_json).collect::<Vec<_>>(),
            "segments": segments.collect::<Vec<_>>(),
            "batches": self.batches(),
            "starts": findings.starts,
            "live_bytes": findings.live_bytes,
            "last_batch_time": moment(findings.last_time).map(output::moment),
            "torn": torn,
            "queues": self.queues.iter().map(queue_json).collect::<Vec<_>>(),
        })
    }
}

/// The jobs whose contents cannot be read.
pub(super) fn damaged_table(damaged: &[DamagedJob]) -> String {
    let rows = damaged.iter().map(|job| {
        [
            job.queue.to_string(),
            job.id.to_string(),
            last_batch(job.id.put_time()),
            job.what.clone(),
        ]
    });
    let headings = ["QUEUE", "DAMAGED JOB", "PUT", "WHY"];
    output::table(headings, rows.collect())
}

pub(super) fn damaged_json(job: &DamagedJob) -> Value {
    json!({
        "queue": job.queue.to_string(),
        "job_id": job.id.to_string(),
        "put_time": moment(job.id.put_time()).map(output::moment),
        "problem": job.what,
    })
}

fn queue_json(queue: &QueueView) -> Value {
    let counts = &queue.counts;
    json!({
        "name": queue.name.to_string(),
        "paused": queue.paused,
        "scheduled_count": counts.scheduled,
        "ready_count": counts.ready,
        "leased_count": counts.leased,
        "completed_count": counts.completed,
        "dead_count": counts.dead,
        "cancelled_count": counts.cancelled,
        "size_bytes": queue.bytes,
    })
}

/// All queues, as the engine itself shows them.
fn queues(engine: &mut Engine, now: Time) -> Vec<QueueView> {
    let mut out = Output::default();
    let read = Read::Queues {
        after: None,
        queues_max: usize::MAX,
    };
    let command = Command::Read {
        ticket: Ticket(0),
        scope: Scope::All,
        read,
    };
    engine.apply(now, command, &mut out);
    out.effects
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Reply {
                reply: Ok(Reply::Queues { queues, .. }),
                ..
            } => Some(queues),
            _ => None,
        })
        .unwrap_or_default()
}

/// Damage in words. Those of the server point to this program, which would not help here.
fn sentence(problem: &StoreError) -> String {
    match problem {
        StoreError::Damaged { path, offset, what } => {
            format!("{} is damaged at byte {offset}: {what}", path.display())
        }
        StoreError::Contradiction { what } => what.clone(),
        other => other.to_string(),
    }
}

pub(super) fn cannot_examine(dir: &Path, error: &StoreError) -> Failure {
    let failure = Failure::error(sentence(error));
    match error {
        StoreError::Locked { .. } => failure.hint("stop the server first; or leaseq queue ls"),
        StoreError::Io { .. } if !dir.is_dir() => {
            failure.hint("leaseq doctor DIR   (the --data of the server)")
        }
        _ => failure,
    }
}

fn moment(time: Time) -> Option<SystemTime> {
    (time != Time::default())
        .then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(time.as_millis()))
}

fn last_batch(time: Time) -> String {
    moment(time).map_or_else(|| "none".to_owned(), output::moment)
}
