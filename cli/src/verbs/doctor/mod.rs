//! `leaseq doctor`: what is in a stopped data directory, and whether it is sound.

mod report;

use std::path::PathBuf;

use clap::Args;

use self::report::Report;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};

/// Check a stopped data directory, and explain what is in it
///
/// Reads every segment, every batch and every payload that is still needed, plays the journal
/// through the queue's own rules, and checks that all counts agree. It changes nothing. For each
/// job whose payload or result is damaged it names the queue, the id and the put time; such jobs
/// do not keep a server from starting. Sound: exit code 0. Damaged, or in use by a server: exit
/// code 1.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The data directory
    #[arg(value_name = "DIR", default_value = "./leaseq-data")]
    dir: PathBuf,
}

impl Doctor {
    pub(crate) fn run(self, format: Format) -> Outcome {
        let report = Report::of(&self.dir)?;
        match format {
            Format::Json => output::json(&report.to_json(&self.dir))?,
            Format::Name => {}
            Format::Table => report.print(&self.dir)?,
        }
        if let Some(problem) = report.problem {
            return Err(Failure::error(problem)
                .hint("keep a copy of the directory as it is, and restore a backup of it"));
        }
        match report.damaged.len() {
            0 => Ok(Exit::Ok),
            count => Err(
                Failure::error(format!("{} cannot be read", output::jobs(count as u64))).hint(
                    "leaseq serve   (starts with them: each of these jobs ends as dead with \
                 CONTENT_DAMAGED, all others go on; or restore a backup first)",
                ),
            ),
        }
    }
}
