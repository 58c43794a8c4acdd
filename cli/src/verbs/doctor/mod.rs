//! `leaseq doctor`: what is in a stopped data directory, and whether it is sound.

mod report;
mod salvage;

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
    /// Write everything sound to this new directory and report what is missing
    ///
    /// DIR is not changed. OUT must not exist, or be empty; a server starts on it. Also reads
    /// past damaged batches, damaged headers and missing segments. All leases end. Jobs that
    /// may have ended in a missing part are ready again; jobs with a damaged payload are dead.
    #[arg(long, value_name = "OUT")]
    salvage: Option<PathBuf>,
}

impl Doctor {
    pub(crate) fn run(self, format: Format) -> Outcome {
        if let Some(out) = self.salvage {
            return salvage::run(&self.dir, &out, format);
        }
        let report = Report::of(&self.dir)?;
        match format {
            Format::Json => output::json(&report.to_json(&self.dir))?,
            Format::Name => {}
            Format::Table => report.print(&self.dir)?,
        }
        if let Some(problem) = report.problem {
            return Err(Failure::error(problem).hint(
                "leaseq doctor DIR --salvage OUT   (writes everything sound to a new directory)",
            ));
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
