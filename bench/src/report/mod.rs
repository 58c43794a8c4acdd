//! The dated result: every turn as JSON, and a Markdown table for people.

mod machine;
mod markdown;
mod summary;

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::fdatasync::{Probe, Synced};
use crate::leaseq::Leaseq;
use crate::measured::Measured;
use crate::subject::Subject;
use machine::Machine;
pub(crate) use summary::number;

/// One turn.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The table it belongs to.
    title: String,
    subject: &'static str,
    what: &'static str,
    durability: &'static str,
    round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
}

impl Row {
    pub(crate) fn new(
        title: &str,
        subject: &Subject,
        round: u32,
        outcome: Result<Measured>,
    ) -> Self {
        let words = (subject.what, subject.durability.in_words());
        Self::named(title, subject.name, words, round, outcome)
    }

    /// The turn of something that is no subject.
    pub(crate) fn named(
        title: &str,
        subject: &'static str,
        (what, durability): (&'static str, &'static str),
        round: u32,
        outcome: Result<Measured>,
    ) -> Self {
        let (measured, failed) = match outcome {
            Ok(measured) => (Some(measured), None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        Self {
            title: title.to_owned(),
            subject,
            what,
            durability,
            round,
            failed,
            measured,
        }
    }

    /// For those who watch.
    fn line(&self) -> String {
        let end = match (&self.measured, &self.failed) {
            (Some(measured), _) => summary::line(measured),
            (None, Some(failed)) => format!("failed: {failed}"),
            (None, None) => String::new(),
        };
        format!("{}  #{}  {}: {end}", self.title, self.round, self.subject)
    }
}

/// All of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    name: String,
    /// The day it was begun, UTC.
    date: String,
    command: String,
    leaseq_version: String,
    machine: Machine,
    notes: Vec<String>,
    fdatasync: Vec<Synced>,
    rows: Vec<Row>,
    /// Tables that a scenario makes itself, in Markdown.
    sections: Vec<String>,
    /// What a scenario wants other programs to read.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    figures: serde_json::Value,
}

impl Report {
    pub(crate) fn new(name: &str, leaseq: &Leaseq) -> Self {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            name: name.to_owned(),
            date: now.split('T').next().unwrap_or_default().to_owned(),
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            leaseq_version: leaseq.version(),
            machine: Machine::this(),
            notes: Vec::new(),
            fdatasync: Vec::new(),
            rows: Vec::new(),
            sections: Vec::new(),
            figures: serde_json::Value::Null,
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", row.line());
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, note: &str) {
        eprintln!("{note}");
        self.notes.push(note.to_owned());
    }

    pub(crate) fn note_fdatasync(&mut self, synced: Vec<Synced>) {
        self.fdatasync.extend(synced);
    }

    pub(crate) fn section(&mut self, markdown: String) {
        self.sections.push(markdown);
    }

    pub(crate) fn figures(&mut self, figures: serde_json::Value) {
        self.figures = figures;
    }

    /// What the turns of one subject in one table found; failed ones have nothing.
    pub(crate) fn found(&self, title: &str, subject: &str) -> Vec<&Measured> {
        let rows = self.rows.iter();
        let own = rows.filter(|row| row.title == title && row.subject == subject);
        own.filter_map(|row| row.measured.as_ref()).collect()
    }

    /// The median of one figure of one subject in one table.
    pub(crate) fn median(
        &self,
        title: &str,
        subject: &str,
        figure: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<f64> {
        let found = self.found(title, subject);
        summary::Spread::of(found.into_iter().filter_map(figure)).map(|spread| spread.median)
    }

    /// The median over all rounds of one probe of the disk.
    pub(crate) fn fdatasync_median(
        &self,
        probe: Probe,
        figure: impl Fn(&Synced) -> f64,
    ) -> Option<f64> {
        let probes = self.fdatasync.iter().filter(|synced| synced.probe == probe);
        summary::Spread::of(probes.map(figure)).map(|spread| spread.median)
    }

    /// Writes both files, and prints the table.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let stem = folder.join(format!("{}-{}", self.date, self.name));
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(stem.with_extension("json"), format!("{json}\n"))?;
        let markdown = self.to_markdown();
        std::fs::write(stem.with_extension("md"), &markdown)?;
        print!("{markdown}");
        if self.rows.iter().any(|row| row.measured.is_some()) || !self.sections.is_empty() {
            return Ok(());
        }
        Err(Failure::new("no turn gave a figure"))
    }
}
