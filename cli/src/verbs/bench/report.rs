//! What a run found, as JSON and as a table.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::stats::Counts;
use crate::output;
use crate::process::Memory;

/// One object with `-o json`. Fields are added, never renamed; times are microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) mode: &'static str,
    /// `put` and `fill`: jobs put; else jobs completed.
    pub(super) jobs: u64,
    pub(super) seconds: f64,
    pub(super) jobs_per_s: f64,
    pub(super) put_p50_us: Option<f64>,
    pub(super) put_p99_us: Option<f64>,
    pub(super) put_max_us: Option<f64>,
    pub(super) deliver_p50_us: Option<f64>,
    pub(super) deliver_p99_us: Option<f64>,
    pub(super) deliver_max_us: Option<f64>,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    /// The server's sync policy.
    pub(super) durability: String,
    pub(super) store: String,
    pub(super) server_version: String,
    pub(super) masters: usize,
    pub(super) workers: usize,
    pub(super) batch: usize,
    pub(super) payload_bytes: usize,
    pub(super) unary: bool,
    /// `latency`: puts a second that were asked for.
    pub(super) rate: Option<u64>,
    /// `latency`: how late the generator itself was, because of the system's timer.
    pub(super) generator_late_p99_us: Option<f64>,
    pub(super) client_cpu_us_per_job: Option<f64>,
    /// Only if the server is this program's child, or was named by its process.
    pub(super) server_cpu_us_per_job: Option<f64>,
    pub(super) server_memory_bytes: Option<u64>,
    pub(super) server_memory_max_bytes: Option<u64>,
    /// What the disks of the server's machine were given meanwhile, by whoever.
    pub(super) written_bytes_per_job: Option<f64>,
    /// Where the child keeps its data.
    pub(super) data: Option<String>,
}

impl Report {
    /// Fills in what the counts say.
    pub(super) fn count(&mut self, counts: &Counts, jobs: u64, measured: Duration) {
        self.jobs = jobs;
        self.seconds = measured.as_secs_f64();
        self.jobs_per_s = per(jobs, self.seconds);
        [self.put_p50_us, self.put_p99_us, self.put_max_us] = quantiles(&counts.put);
        [
            self.deliver_p50_us,
            self.deliver_p99_us,
            self.deliver_max_us,
        ] = quantiles(&counts.deliver);
        self.errors = counts.errors;
        self.first_error.clone_from(&counts.first_error);
    }

    /// Fills in what the server holds now.
    pub(super) fn note_memory(&mut self, memory: Option<Memory>) {
        self.server_memory_bytes = memory.map(|memory| memory.now);
        self.server_memory_max_bytes = memory.map(|memory| memory.max);
    }

    /// For people.
    pub(super) fn to_table(&self) -> String {
        let mut facts = vec![
            ("jobs", output::grouped(self.jobs)),
            ("seconds", format!("{:.2}", self.seconds)),
            ("jobs/s", output::grouped(whole(self.jobs_per_s))),
        ];
        facts.extend(latencies(
            "put answered",
            [self.put_p50_us, self.put_p99_us, self.put_max_us],
        ));
        facts.extend(latencies(
            "delivered",
            [
                self.deliver_p50_us,
                self.deliver_p99_us,
                self.deliver_max_us,
            ],
        ));
        facts.extend(self.costs());
        facts.push(("errors", self.errors.to_string()));
        if let Some(error) = &self.first_error {
            facts.push(("first error", error.clone()));
        }
        facts.push((
            "durability",
            durability_in_words(&self.store, &self.durability),
        ));
        output::facts(&facts)
    }

    fn costs(&self) -> Vec<(&'static str, String)> {
        let cpu = |value: f64| format!("{value:.2} µs/job");
        let all = [
            ("server CPU", self.server_cpu_us_per_job.map(cpu)),
            ("client CPU", self.client_cpu_us_per_job.map(cpu)),
            ("server memory", self.server_memory_bytes.map(output::bytes)),
            ("at most", self.server_memory_max_bytes.map(output::bytes)),
            (
                "written",
                self.written_bytes_per_job
                    .map(|bytes| format!("{bytes:.0} B/job")),
            ),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// What the sync policy means, for those who compare.
fn durability_in_words(store: &str, sync: &str) -> String {
    match (store, sync) {
        ("memory", _) => "memory: nothing is on disk".to_owned(),
        (_, "always") => {
            "always: an answer leaves after the disk has confirmed the write".to_owned()
        }
        (_, "os") => "os: an answer leaves when the operating system has the write; a power cut \
                      may lose seconds"
            .to_owned(),
        (_, other) => format!("{other}: a power cut may lose that much of what was answered"),
    }
}

fn latencies(
    name: &'static str,
    [p50, p99, max]: [Option<f64>; 3],
) -> Option<(&'static str, String)> {
    Some((
        name,
        format!(
            "p50 {}   p99 {}   max {}",
            time(p50?),
            time(p99?),
            time(max?)
        ),
    ))
}

/// Microseconds for people.
fn time(micros: f64) -> String {
    if micros < 10_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.1} ms", micros / 1_000.0)
    }
}

/// p50, p99 and the maximum in microseconds; nothing if nothing was recorded.
fn quantiles(histogram: &Histogram<u64>) -> [Option<f64>; 3] {
    if histogram.is_empty() {
        return [None; 3];
    }
    [
        histogram.value_at_quantile(0.5),
        histogram.value_at_quantile(0.99),
        histogram.max(),
    ]
    .map(|nanos| Some(micros(nanos)))
}

/// Nanoseconds as microseconds with one decimal.
pub(super) fn micros(nanos: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "far below 2^52 tenths of a microsecond"
    )]
    let tenths = (nanos / 100) as f64;
    tenths / 10.0
}

/// Microseconds of `cpu` for each of `jobs`.
pub(super) fn cpu_per_job(cpu: Duration, jobs: u64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of jobs is far below 2^52"
    )]
    let jobs = jobs as f64;
    (jobs > 0.0).then(|| rounded(cpu.as_secs_f64() * 1e6 / jobs))
}

/// The part of each of `jobs` in so many bytes.
pub(super) fn per_job(bytes: u64, jobs: u64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of jobs and bytes are far below 2^52"
    )]
    let part = bytes as f64 / jobs as f64;
    (jobs > 0).then(|| rounded(part))
}

fn per(jobs: u64, seconds: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of jobs is far below 2^52"
    )]
    let jobs = jobs as f64;
    if seconds > 0.0 {
        rounded(jobs / seconds)
    } else {
        0.0
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate: positive, and far below 2^52"
    )]
    let whole = value.round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::super::stats::{histogram, record};
    use super::*;

    #[test]
    fn quantiles_are_microseconds() {
        let mut latencies = histogram();
        for micros in 1..=100_u64 {
            record(&mut latencies, micros * 1_000);
        }
        let [p50, p99, max] = quantiles(&latencies).map(Option::unwrap);
        assert!((p50 - 50.0).abs() < 0.2, "{p50}");
        assert!((p99 - 99.0).abs() < 0.2, "{p99}");
        assert!((max - 100.0).abs() < 0.2, "{max}");
        assert_eq!(quantiles(&histogram()), [None; 3]);
    }

    #[test]
    fn durability_is_said_in_words() {
        assert!(durability_in_words("journal", "always").contains("disk has confirmed"));
        assert!(durability_in_words("journal", "interval:5ms").contains("interval:5ms"));
        assert!(durability_in_words("memory", "never").contains("nothing is on disk"));
    }

    #[test]
    fn cpu_is_spread_over_the_jobs() {
        assert_eq!(cpu_per_job(Duration::from_secs(1), 1_000_000), Some(1.0));
        assert_eq!(cpu_per_job(Duration::from_secs(1), 0), None);
    }
}
