//! The run in windows of some seconds, so that sagging and stalls can be seen.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::tally::{Books, Tally};
use crate::report::number;
use crate::server::Server;
use crate::usage::{self, Usage};

/// One window.
#[derive(Clone, Debug, Serialize)]
struct Window {
    seconds: f64,
    put_per_s: f64,
    completed_per_s: f64,
    failed_per_s: f64,
    released_per_s: f64,
    expired_per_s: f64,
    outcomes_per_s: f64,
    server_cpu_us_per_job: f64,
    stall_ms: f64,
    memory_mib: f64,
    disk_mib: f64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Windows {
    payload: usize,
    windows: Vec<Window>,
    written: u64,
    put: u64,
}

impl Windows {
    pub(super) fn new(payload: usize) -> Self {
        Self {
            payload,
            windows: Vec::new(),
            written: 0,
            put: 0,
        }
    }

    /// Looks at the end of each window, until the time is over.
    pub(super) async fn watch(
        &mut self,
        server: &Server,
        tally: &Tally,
        window: Duration,
        duration: Duration,
    ) {
        let (start, first) = (Instant::now(), Usage::of(server.pid()));
        let (mut books, mut used) = (tally.books(), first);
        while start.elapsed() < duration {
            tokio::time::sleep(window.min(duration - start.elapsed())).await;
            let (now, use_now) = (tally.books(), Usage::of(server.pid()));
            let window = between((books, used), (now, use_now), tally.take_stall(), server);
            eprintln!(
                "{:>4} s: {} put/s, {} completed/s, longest stall {:.1} ms",
                start.elapsed().as_secs(),
                number(window.put_per_s),
                number(window.completed_per_s),
                window.stall_ms,
            );
            self.windows.push(window);
            (books, used) = (now, use_now);
        }
        self.written = used.written - first.written;
        self.put = books.put;
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = "## mixed\n\n| window | put/s | completed/s | failed/s | released/s | \
                        expired/s | outcomes/s | server CPU µs/completed | longest stall ms | \
                        memory MiB | disk MiB |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:\
                        |---:|\n"
            .to_owned();
        for (at, window) in self.windows.iter().enumerate() {
            let figures = [
                window.put_per_s,
                window.completed_per_s,
                window.failed_per_s,
                window.released_per_s,
                window.expired_per_s,
                window.outcomes_per_s,
                window.server_cpu_us_per_job,
                window.stall_ms,
                window.memory_mib,
                window.disk_mib,
            ];
            let _ = writeln!(text, "| {} | {} |", at + 1, figures.map(number).join(" | "));
        }
        text
    }

    /// Whether it sags or stalls, in a few words.
    pub(super) fn verdict(&self, slowest_sync: Option<Duration>, server: &Server) -> String {
        let [first, last, least] = self.rates();
        let disk = usage::disk_bytes(server.place().dir()) as f64 / 1_048_576.0;
        let sync = slowest_sync.map_or("unknown".to_owned(), |time| format!("up to {time:?}"));
        format!(
            "Completed: {} /s in the first fifth, {} /s in the last ({:.0} %), {} /s in the \
             slowest window.\nLongest stall: {:.1} ms; slowest fdatasync of the server: {sync}.\n\
             Written: {:.2} bytes for each byte of payload. Disk in use at the end: {} MiB.\n",
            number(first),
            number(last),
            last / first * 100.0,
            number(least),
            self.stall_ms(),
            self.written_per_byte(),
            number(disk),
        )
    }

    pub(super) fn to_json(&self, slowest_sync: Option<Duration>) -> Value {
        let [first, last, least] = self.rates();
        json!({
            "windows": self.windows,
            "completed_per_s_first_fifth": first,
            "completed_per_s_last_fifth": last,
            "completed_per_s_slowest_window": least,
            "longest_stall_ms": self.stall_ms(),
            "slowest_sync_ms_at_most": slowest_sync.map(|time| time.as_secs_f64() * 1e3),
            "written_bytes_per_payload_byte": self.written_per_byte(),
        })
    }

    /// Of the first fifth, the last fifth and the slowest window.
    fn rates(&self) -> [f64; 3] {
        let rates: Vec<f64> = self
            .windows
            .iter()
            .map(|window| window.completed_per_s)
            .collect();
        let fifth = (rates.len() / 5).max(1).min(rates.len());
        let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        [
            mean(&rates[..fifth]),
            mean(&rates[rates.len() - fifth..]),
            least,
        ]
    }

    fn stall_ms(&self) -> f64 {
        self.windows
            .iter()
            .map(|window| window.stall_ms)
            .fold(0.0, f64::max)
    }

    fn written_per_byte(&self) -> f64 {
        self.written as f64 / (self.put.max(1) * self.payload as u64) as f64
    }
}

fn between(
    (books, used): (Books, Usage),
    (now, use_now): (Books, Usage),
    stall: Duration,
    server: &Server,
) -> Window {
    let seconds = (use_now.at - used.at).as_secs_f64();
    let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
    let completed = (now.completed - books.completed).max(1) as f64;
    let cpu = use_now.cpu.saturating_sub(used.cpu).as_secs_f64() * 1e6;
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    Window {
        seconds,
        put_per_s: rate(now.put, books.put),
        completed_per_s: rate(now.completed, books.completed),
        failed_per_s: rate(now.failed, books.failed),
        released_per_s: rate(now.released, books.released),
        expired_per_s: rate(now.forgotten, books.forgotten),
        outcomes_per_s: rate(now.outcomes, books.outcomes),
        server_cpu_us_per_job: cpu / completed,
        stall_ms: stall.as_secs_f64() * 1e3,
        memory_mib: mib(usage::memory(server.pid())),
        disk_mib: mib(usage::disk_bytes(server.place().dir())),
    }
}
