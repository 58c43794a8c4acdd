//! What goes to stdout: a table for people, JSON for programs, bare names for shell loops.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::exit::Failure;

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object, or one per line where output goes on.
    Json,
    /// Only names or ids, one per line.
    Name,
}

/// One line to stdout. A closed pipe (`leaseq job ls q | head`) ends the run without a word.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    raw(format!("{text}\n").as_bytes())
}

/// Bytes to stdout, as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::unheard(),
            _ => Failure::error(format!("cannot write to stdout: {error}")),
        })
}

/// A JSON value: on several lines for a terminal, on one for a program.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    let text = if io::stdout().is_terminal() {
        format!("{value:#}")
    } else {
        value.to_string()
    };
    line(&text)
}

/// A table with a heading for each column; numbers are set to the right.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = plain_table();
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    trimmed(&table)
}

/// A list of facts: `name  value`.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let mut table = plain_table();
    for (name, value) in facts {
        table.add_row([(*name).to_owned(), value.clone()]);
    }
    trimmed(&table)
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Without the blanks that the table library puts around every cell at both ends of the line.
fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    lines.join("\n")
}

/// A moment: `2026-01-31T12:00:00.000Z`.
pub(crate) fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// How long ago, for tables: `now`, `5s`, `2m`, `3h`, `4d`.
pub(crate) fn age(since: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(since).unwrap_or_default().as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration as it can be typed: `30s`, `1h 30m`, `0s`.
pub(crate) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A duration as protobuf's JSON writes it: `30s`, `0.250s`.
pub(crate) fn json_duration(duration: Duration) -> Value {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()).into(),
        nanos if nanos % 1_000_000 == 0 => {
            format!("{}.{:03}s", duration.as_secs(), nanos / 1_000_000).into()
        }
        nanos => format!("{}.{nanos:09}s", duration.as_secs()).into(),
    }
}

/// Bytes for people: `512 B`, `1.5 KiB`, `64 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    // Three digits are enough for people; a float holds them.
    #[expect(clippy::cast_precision_loss, reason = "rounded to one decimal anyway")]
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        unit = next;
        if value < 1024.0 {
            break;
        }
        if next != "TiB" {
            value /= 1024.0;
        }
    }
    if unit == "B" || value.fract() == 0.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A count with the thousands set apart: `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 job`, `2 jobs`.
pub(crate) fn jobs(count: u64) -> String {
    match count {
        1 => "1 job".to_owned(),
        more => format!("{} jobs", grouped(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_frame_and_no_blanks_at_the_ends() {
        let text = table(
            ["QUEUE", "READY"],
            vec![["jobs".to_owned(), "12".to_owned()]],
        );
        assert_eq!(text, "QUEUE  READY\njobs   12");
    }

    #[test]
    fn bytes_are_rounded_for_people() {
        let check = |count: u64, text: &str| assert_eq!(bytes(count), text);
        check(0, "0 B");
        check(512, "512 B");
        check(1536, "1.5 KiB");
        check(64 << 20, "64 MiB");
        check(3 << 50, "3072 TiB");
    }

    #[test]
    fn counts_are_grouped() {
        let check = |count: u64, text: &str| assert_eq!(grouped(count), text);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
        assert_eq!(jobs(1), "1 job");
        assert_eq!(jobs(1000), "1,000 jobs");
    }

    #[test]
    fn ages_get_coarser() {
        let check = |seconds: u64, text: &str| {
            let then = SystemTime::UNIX_EPOCH;
            assert_eq!(age(then, then + Duration::from_secs(seconds)), text);
        };
        check(0, "now");
        check(59, "59s");
        check(120, "2m");
        check(7_200, "2h");
        check(172_800, "2d");
    }

    #[test]
    fn durations_in_json_are_those_of_protobuf() {
        let check = |millis: u64, text: &str| {
            assert_eq!(json_duration(Duration::from_millis(millis)), text);
        };
        check(0, "0s");
        check(30_000, "30s");
        check(250, "0.250s");
    }
}
