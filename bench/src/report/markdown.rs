//! The tables for people.

use std::fmt::Write;

use super::Report;
use super::summary::{Spread, number};
use crate::fdatasync::PROBES;
use crate::measured::Measured;

/// A column: its head, and how a turn fills it.
type Column = (&'static str, fn(&Measured) -> Option<f64>);

const COLUMNS: &[Column] = &[
    ("jobs/s", |turn| {
        Some(turn.jobs_per_s).filter(|rate| *rate > 0.0)
    }),
    ("server CPU µs/job", |turn| turn.server_cpu_us_per_job),
    ("client CPU µs/job", |turn| turn.client_cpu_us_per_job),
    ("memory MiB", |turn| {
        turn.server_memory_bytes
            .map(|bytes| bytes as f64 / 1_048_576.0)
    }),
    ("written B/job", |turn| turn.written_bytes_per_job),
    ("put p50 µs", |turn| turn.put_p50_us),
    ("put p99 µs", |turn| turn.put_p99_us),
    ("delivered p50 µs", |turn| turn.deliver_p50_us),
    ("delivered p99 µs", |turn| turn.deliver_p99_us),
    ("fill jobs/s", |turn| turn.extra.fill_jobs_per_s),
    ("jobs/s when empty", |turn| turn.extra.empty_jobs_per_s),
    ("% of that when empty", |turn| {
        turn.extra
            .empty_jobs_per_s
            .map(|empty| turn.jobs_per_s / empty * 100.0)
    }),
    ("memory B/waiting job", |turn| {
        turn.extra.memory_bytes_per_job
    }),
    ("disk B/waiting job", |turn| turn.extra.disk_bytes_per_job),
    ("first lease after kill -9, s", |turn| {
        turn.extra.first_lease_s
    }),
    ("the same after load, s", |turn| {
        turn.extra.first_lease_loaded_s
    }),
    ("memory B/session", |turn| {
        turn.extra.memory_bytes_per_session
    }),
    ("CPU µs/session/s", |turn| turn.extra.cpu_us_per_session_s),
    ("others' cores", |turn| Some(turn.others_cores)),
];

impl Report {
    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("# {}, {}\n\n", self.name, self.date);
        let machine = &self.machine;
        let _ = writeln!(
            text,
            "{}; {} cores ({}), {} GiB, Linux {}.\nServer and clients share them. Medians, and in \
             brackets the least and the most.\n\n`leaseq-bench {}`\n",
            self.leaseq_version,
            machine.cores,
            machine.processor,
            machine.memory_gib,
            machine.kernel,
            self.command,
        );
        for probe in PROBES {
            let p50 = self.fdatasync_median(probe, |synced| synced.p50_us);
            let p99 = self.fdatasync_median(probe, |synced| synced.p99_us);
            if let (Some(p50), Some(p99)) = (p50.map(number), p99.map(number)) {
                let _ = writeln!(
                    text,
                    "fdatasync of {} alone, in this run: p50 {p50} µs, p99 {p99} µs.  ",
                    probe.name()
                );
            }
        }
        for title in self.titles() {
            text.push_str(&self.table(title));
        }
        for section in &self.sections {
            let _ = write!(text, "\n{section}");
        }
        text.push_str(&self.remarks());
        text
    }

    fn titles(&self) -> Vec<&str> {
        let mut titles: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !titles.contains(&row.title.as_str()) {
                titles.push(&row.title);
            }
        }
        titles
    }

    fn table(&self, title: &str) -> String {
        let mut subjects: Vec<(&str, &str, &str)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.title == title) {
            if !subjects.iter().any(|(name, ..)| *name == row.subject) {
                subjects.push((row.subject, row.what, row.durability));
            }
        }
        // A column that nobody fills is left out.
        let filled = |(_, figure): &&Column| {
            let mut turns = subjects
                .iter()
                .flat_map(|(name, ..)| self.found(title, name));
            turns.any(|turn| figure(turn).is_some())
        };
        let columns: Vec<&Column> = COLUMNS.iter().filter(filled).collect();
        let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
        let heads = heads.join(" | ");
        let mut text = format!("\n## {title}\n\n| subject | {heads} | durability |\n");
        let _ = writeln!(text, "|---{}|---|", "|---:".repeat(columns.len()));
        for (name, what, durability) in subjects {
            let found = self.found(title, name);
            let cells: Vec<String> = columns
                .iter()
                .map(|(_, figure)| Spread::of(found.iter().filter_map(|turn| figure(turn))))
                .map(|spread| spread.map(Spread::text).unwrap_or_default())
                .collect();
            let _ = writeln!(text, "| {what} | {} | {durability} |", cells.join(" | "));
        }
        text
    }

    /// What did not go as it should.
    fn remarks(&self) -> String {
        let mut remarks = self.notes.clone();
        for row in &self.rows {
            let errors = row.measured.as_ref().filter(|measured| measured.errors > 0);
            let what = match (&row.failed, errors) {
                (Some(failed), _) => failed.clone(),
                (None, Some(measured)) => format!(
                    "{} errors, the first: {}",
                    measured.errors,
                    measured.first_error.as_deref().unwrap_or_default()
                ),
                (None, None) => continue,
            };
            remarks.push(format!(
                "{}, {}, turn {}: {what}",
                row.title, row.subject, row.round
            ));
        }
        if remarks.is_empty() {
            return String::new();
        }
        format!("\n## Remarks\n\n- {}\n", remarks.join("\n- "))
    }
}
