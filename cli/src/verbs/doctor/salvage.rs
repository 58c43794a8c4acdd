//! `leaseq doctor DIR --salvage OUT`: writes everything sound to a new directory.

use std::fs;
use std::path::Path;

use leaseq_engine::command::Command;
use leaseq_engine::id::JobSeq;
use leaseq_engine::settings::EngineConfig;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Sizes, Transition};
use leaseq_engine::{Engine, Output};
use leaseq_store::salvage::{Gap, Salvage};
use leaseq_store::{Batch, CommitError, Journal, JournalOptions, Loaded, Store, StoreError};
use serde_json::{Value, json};

use super::report::{DamagedJob, cannot_examine, damaged_json, damaged_table};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};

/// A batch of the new journal is closed at this many bytes of content.
const BATCH_BYTES: usize = 4 << 20;

/// And at this many transitions.
const BATCH_TRANSITIONS: usize = 4096;

/// Salvages `dir` to `out`.
pub(super) fn run(dir: &Path, out: &Path, format: Format) -> Outcome {
    must_be_empty(out)?;
    let mut engine = Engine::new(EngineConfig::default());
    let mut salvage = Salvage::read(dir, &mut |it| engine.restore_what_fits(it))
        .map_err(|error| cannot_examine(dir, &error))?;
    if salvage.batches == 0 {
        let what = format!(
            "nothing in {} can be read, so nothing was written",
            dir.display()
        );
        return Err(Failure::error(what));
    }
    let damaged = end_what_is_lost(&mut engine, &mut salvage)?;
    let jobs = write(&mut engine, &mut salvage, out)?;
    let report = Report {
        dir,
        out,
        salvage,
        damaged,
        jobs,
    };
    match format {
        Format::Json => output::json(&report.to_json())?,
        Format::Name => {}
        Format::Table => report.print()?,
    }
    Ok(Exit::Ok)
}

fn must_be_empty(out: &Path) -> Result<(), Failure> {
    let empty = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if empty {
        return Ok(());
    }
    let what = format!("{} is not an empty directory", out.display());
    Err(Failure::error(what).hint("name a directory that does not exist"))
}

/// Ends leases and the jobs whose contents cannot be read, so that what is left can be
/// written down.
fn end_what_is_lost(
    engine: &mut Engine,
    salvage: &mut Salvage,
) -> Result<Vec<DamagedJob>, Failure> {
    let now = salvage.last_time;
    engine.end_leases(now);
    let mut jobs = Vec::new();
    for content in salvage.damaged().map_err(|error| failed(&error))? {
        jobs.extend(DamagedJob::find(engine, &content));
        let lost = Command::ContentLost {
            job: content.job,
            error: format!("CONTENT_DAMAGED: {content}").into(),
            unless_leased: false,
        };
        engine.apply(now, lost, &mut Output::default());
    }
    Ok(jobs)
}

/// Writes the new journal; gives the number of jobs in it.
fn write(engine: &mut Engine, salvage: &mut Salvage, out: &Path) -> Result<u64, Failure> {
    let mut journal =
        Journal::open(out, JournalOptions::default()).map_err(|error| failed(&error))?;
    let loaded = journal
        .load(&mut |_, _| Ok(()))
        .map_err(|error| failed(&error))?;
    let mut new = New {
        journal,
        loaded,
        time: salvage.last_time,
        transitions: Vec::new(),
        bytes: 0,
    };
    let mut jobs = 0;
    for mut transition in engine.salvaged(salvage.last_time) {
        let (count, bytes) = fill(&mut transition, salvage).map_err(|error| failed(&error))?;
        jobs += count;
        new.add(transition, bytes)
            .map_err(|error| Failure::error(error.to_string()))?;
    }
    new.commit()
        .map_err(|error| Failure::error(error.to_string()))?;
    Ok(jobs)
}

fn failed(error: &StoreError) -> Failure {
    Failure::error(error.to_string())
}

/// The new journal, and its next batch.
struct New {
    journal: Journal<leaseq_store::disk::RealDisk>,
    loaded: Loaded,
    time: Time,
    transitions: Vec<Transition>,
    bytes: usize,
}

impl New {
    fn add(&mut self, transition: Transition, bytes: usize) -> Result<(), CommitError> {
        self.transitions.push(transition);
        self.bytes += bytes;
        if self.bytes >= BATCH_BYTES || self.transitions.len() >= BATCH_TRANSITIONS {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        let batch = Batch {
            time: self.time,
            transitions: std::mem::take(&mut self.transitions),
        };
        let committed = self
            .journal
            .commit(self.loaded.epoch, self.loaded.next, batch)?;
        self.loaded.next = committed.next;
        self.bytes = 0;
        Ok(())
    }
}

/// Adds the contents to a transition. Gives how many jobs it puts, and its bytes.
fn fill(transition: &mut Transition, salvage: &mut Salvage) -> Result<(u64, usize), StoreError> {
    let mut read = |job: JobSeq, size: u32| match size {
        0 => Ok(Content::default()),
        _ => salvage.content(job),
    };
    match transition {
        Transition::JobsAdded {
            first,
            sizes,
            contents,
            ..
        } => {
            let sizes = each(sizes);
            for (n, size) in (0..).zip(&sizes) {
                contents.push(read(first.plus(n), *size)?);
            }
            let bytes = sizes.iter().map(|size| *size as usize).sum();
            Ok((sizes.len() as u64, bytes))
        }
        Transition::OutcomeAdded {
            job, size, content, ..
        } => {
            *content = read(*job, *size)?;
            Ok((1, *size as usize))
        }
        Transition::JobEnded {
            job,
            result_size,
            result,
            ..
        } => {
            *result = read(*job, *result_size)?.payload;
            Ok((0, *result_size as usize))
        }
        _ => Ok((0, 0)),
    }
}

fn each(sizes: &Sizes) -> Vec<u32> {
    match sizes {
        Sizes::Uniform { count, size } => vec![*size; *count as usize],
        Sizes::Each(sizes) => sizes.clone(),
    }
}

/// The result of a salvage, for people and for programs.
struct Report<'a> {
    dir: &'a Path,
    out: &'a Path,
    salvage: Salvage,
    damaged: Vec<DamagedJob>,
    jobs: u64,
}

impl Report<'_> {
    fn print(&self) -> Result<(), Failure> {
        output::line(&output::facts(&[
            ("read", self.dir.display().to_string()),
            ("written", self.out.display().to_string()),
            ("jobs saved", output::grouped(self.jobs)),
            ("batches read", output::grouped(self.salvage.batches)),
            ("contradictions", output::grouped(self.salvage.passed_over)),
        ]))?;
        if !self.salvage.gaps.is_empty() {
            let rows = self.salvage.gaps.iter().map(|gap| {
                let bytes = match gap.bytes.is_empty() {
                    true => "the file".to_owned(),
                    false => format!("{} to {}", gap.bytes.start, gap.bytes.end),
                };
                [gap.file.clone(), bytes, batches(gap)]
            });
            output::line("")?;
            let headings = ["MISSING IN", "BYTES", "BATCHES"];
            output::line(&output::table(headings, rows.collect()))?;
            output::line(
                "Jobs that were put there are missing. Jobs that ended there are ready again and \
                 will be delivered a second time.",
            )?;
        }
        if !self.damaged.is_empty() {
            output::line("")?;
            output::line(&damaged_table(&self.damaged))?;
            output::line("These jobs are dead in the new directory, without a payload.")?;
        }
        output::line("")?;
        output::line(&format!(
            "All leases have ended. Start with: leaseq serve --data {}",
            self.out.display()
        ))
    }

    fn to_json(&self) -> Value {
        let gap = |gap: &Gap| {
            json!({
                "file": gap.file,
                "from_byte": gap.bytes.start,
                "to_byte": gap.bytes.end,
                "first_batch": gap.batches.as_ref().map(|batches| batches.start),
                "next_batch": gap.batches.as_ref().map(|batches| batches.end),
            })
        };
        json!({
            "directory": self.dir.display().to_string(),
            "salvaged_to": self.out.display().to_string(),
            "jobs": self.jobs,
            "batches": self.salvage.batches,
            "contradictions": self.salvage.passed_over,
            "missing": self.salvage.gaps.iter().map(gap).collect::<Vec<_>>(),
            "damaged_jobs": self.damaged.iter().map(damaged_json).collect::<Vec<_>>(),
        })
    }
}

fn batches(gap: &Gap) -> String {
    match &gap.batches {
        Some(batches) => format!("{} to {}", batches.start, batches.end.saturating_sub(1)),
        None => "unknown".to_owned(),
    }
}
