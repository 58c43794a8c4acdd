//! Each figure of leaseq next to the limit it could reach.

use serde_json::json;

use super::{Loads, journal_title};
use crate::fdatasync::PACED;
use crate::load::Load;
use crate::measured::Measured;
use crate::report::{Report, number};

/// One line of the table.
struct Line {
    what: String,
    limit: &'static str,
    leaseq: f64,
    reach: f64,
    /// What is compared: a part of the limit, or the time beyond it.
    compared: Compared,
}

enum Compared {
    Part,
    Beyond,
}

impl Line {
    fn result(&self) -> f64 {
        match self.compared {
            Compared::Part => self.leaseq / self.reach,
            Compared::Beyond => self.leaseq - self.reach,
        }
    }

    fn text(&self) -> String {
        let Self {
            what,
            limit,
            leaseq,
            reach,
            ..
        } = self;
        let result = match self.compared {
            Compared::Part => format!("{:.0} %", self.result() * 100.0),
            Compared::Beyond => format!("{} µs beyond", number(self.result())),
        };
        let (leaseq, reach) = (number(*leaseq), number(*reach));
        format!("| {what} | {leaseq} | {limit} | {reach} | {result} |\n")
    }
}

/// Adds the table, and the same for other programs.
pub(super) fn add(report: &mut Report, loads: &Loads) {
    let lines = lines(report, loads);
    let head = "## leaseq beside its limits\n\n\
                | what | leaseq | limit | it reaches | leaseq has |\n|---|---:|---|---:|---:|\n";
    let text: String = lines.iter().map(Line::text).collect();
    report.section(format!("{head}{text}"));
    let figures = lines.iter().map(|line| {
        json!({
            "what": line.what,
            "limit": line.limit,
            "leaseq": line.leaseq,
            "reach": line.reach,
            "compared": match line.compared {
                Compared::Part => "leaseq / reach",
                Compared::Beyond => "leaseq - reach, µs",
            },
            "result": line.result(),
        })
    });
    let figures = figures.collect::<Vec<_>>();
    report.figures(json!({ "limits": figures }));
}

fn lines(report: &Report, loads: &Loads) -> Vec<Line> {
    let rate = |load: &Load, subject| {
        report.median(&load.name(), subject, |turn: &Measured| {
            Some(turn.jobs_per_s)
        })
    };
    let mut lines = Vec::new();
    let mut part = |what: String, limit, leaseq: Option<f64>, reach: Option<f64>| {
        if let (Some(leaseq), Some(reach)) = (leaseq, reach) {
            let compared = Compared::Part;
            lines.push(Line {
                what,
                limit,
                leaseq,
                reach,
                compared,
            });
        }
    };
    for load in [&loads.batch, &loads.stream, &loads.call, &loads.put] {
        let what = format!("{}, jobs/s", load.name());
        part(
            what,
            "a service that does nothing",
            rate(load, "leaseq"),
            rate(load, "noop"),
        );
    }
    for jobs in loads.commits() {
        let what = format!("{}, jobs/s", loads.batch.name());
        let limit = match jobs {
            100 => "its journal, a message in a commit",
            _ => "its journal, all that is on its way in a commit",
        };
        let all = |turn: &Measured| Some(turn.jobs_per_s);
        let reach = report.median(&journal_title(jobs), "journal", all);
        part(what, limit, rate(&loads.batch, "leaseq"), reach);
    }
    lines.extend(beyond(report, &loads.latency));
    lines
}

/// Times that cannot be shorter than the sync they wait for.
fn beyond(report: &Report, load: &Load) -> Vec<Line> {
    let title = load.name();
    let time = |figure: fn(&Measured) -> Option<f64>| report.median(&title, "leaseq", figure);
    let p50 = report.fdatasync_median(PACED, |synced| synced.p50_us);
    let p99 = report.fdatasync_median(PACED, |synced| synced.p99_us);
    let times = [
        (
            "put answered p50",
            time(|turn| turn.put_p50_us),
            "one fdatasync at 200/s, p50",
            p50,
        ),
        (
            "put to delivered p50",
            time(|turn| turn.deliver_p50_us),
            "one fdatasync at 200/s, p50",
            p50,
        ),
        (
            "put to delivered p99",
            time(|turn| turn.deliver_p99_us),
            "one fdatasync at 200/s, p99",
            p99,
        ),
    ];
    let line = |(name, leaseq, limit, reach): (&str, Option<f64>, &'static str, Option<f64>)| {
        Some(Line {
            what: format!("{name} at 200/s, µs"),
            limit,
            leaseq: leaseq?,
            reach: reach?,
            compared: Compared::Beyond,
        })
    };
    times.into_iter().filter_map(line).collect()
}
