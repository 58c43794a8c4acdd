//! Kills the server with -9 under load, starts it again, and looks at the whole history: nothing
//! acknowledged is lost, and nothing is delivered again after an acknowledged completion.
//!
//! `cargo test` runs a few cycles. `.ci/crash --cycles 100` and `.ci/crash --seconds 60` run it at
//! length against the release binary; they speak through these variables:
//!
//! - `LEASEQ_CRASH_CYCLES`, `LEASEQ_CRASH_SECONDS`: how often, or how long (default: 4 cycles)
//! - `LEASEQ_CRASH_BINARY`: the server (default: the one that cargo has just built)
//! - `LEASEQ_CRASH_SEED`: the dice (default: drawn; the report names it)

mod ledger;
mod load;
mod master;
#[path = "../../../client/tests/support/port.rs"]
mod port;
mod server;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use leaseq_proto::v1::{WaitQueueRequest, WaitQueueUntil};
use tokio::task::JoinSet;

use crate::ledger::{Counts, Violation};
use crate::load::{Dice, Load, Phase, QUEUE, Shape};
use crate::server::Server;

/// The server must be back at work this long after it was started.
const RESTART_MAX: Duration = Duration::from_secs(30);
/// The queue must be empty this long after the masters have stopped.
const EMPTY_MAX: Duration = Duration::from_secs(120);
/// How long the load runs between two kills, at most, once it is known to run.
const CYCLE_MILLIS_MAX: u64 = 500;
/// One start in this many is itself killed.
const KILL_AT_START_ODDS: u64 = 10;

/// The load of the bench: `leaseq bench roundtrip --masters 4 --workers 4 --batch 100`.
const SHAPE: Shape = Shape {
    masters: 4,
    workers: 4,
    batch: 100,
    payload: 128,
    puts: 16,
    backlog: 50_000,
};

/// How long it goes on.
#[derive(Clone, Copy)]
enum Length {
    Cycles(u64),
    Time(Duration),
}

/// What a run was.
#[derive(Default)]
struct Report {
    kills: u64,
    kills_at_start: u64,
    /// Kills at which no Put was in flight and no job was held.
    idle_kills: u64,
    puts_in_flight: i64,
    jobs_held: i64,
    restart_max: Duration,
    counts: Counts,
    violations: Vec<Violation>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "this test has no configuration but these"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| text.parse().expect("a number"))
}

fn binary() -> PathBuf {
    variable("LEASEQ_CRASH_BINARY").map_or(env!("CARGO_BIN_EXE_leaseq").into(), PathBuf::from)
}

/// Masters, workers, and the hand that kills.
struct Campaign {
    server: Server,
    load: Arc<Load>,
    tasks: JoinSet<()>,
    dice: Dice,
    report: Report,
}

impl Campaign {
    fn new(mut server: Server, seed: u64) -> Self {
        server.start();
        let load = Load::new(SHAPE, &server.addr, &server.authkey);
        let mut dice = Dice(seed);
        let mut tasks = JoinSet::new();
        for _ in 0..SHAPE.masters {
            tasks.spawn(master::run(load.clone(), Dice(dice.next())));
        }
        for _ in 0..SHAPE.workers {
            tasks.spawn(worker::run(load.clone(), Dice(dice.next())));
        }
        Self {
            server,
            load,
            tasks,
            dice,
            report: Report::default(),
        }
    }

    /// Waits until jobs are put and completed, so that no kill hits an idle server.
    async fn wait_for_work(&mut self) -> bool {
        let started = Instant::now();
        let before = self.load.ledger().counts();
        loop {
            let now = self.load.ledger().counts();
            if now.acknowledged > before.acknowledged && now.completed > before.completed {
                self.report.restart_max = self.report.restart_max.max(started.elapsed());
                return true;
            }
            let ended = self.server.ended();
            if ended.is_some() || started.elapsed() > RESTART_MAX {
                let what = ended.unwrap_or("the server does not work again".into());
                self.load.ledger().violated(Violation::Server { what });
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn kill_under_load(&mut self) {
        let millis = self.dice.below(CYCLE_MILLIS_MAX);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let puts = self.load.puts_in_flight.load(Ordering::Relaxed);
        let held = self.load.jobs_held.load(Ordering::Relaxed);
        self.server.kill();
        self.report.kills += 1;
        self.report.puts_in_flight += puts;
        self.report.jobs_held += held;
        self.report.idle_kills += u64::from(puts == 0 && held == 0);
        self.server.start();
        if self.dice.once_in(KILL_AT_START_ODDS) {
            let millis = self.dice.below(30);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            self.server.kill();
            self.report.kills_at_start += 1;
            self.server.start();
        }
    }

    /// Lets the workers empty the queue, then closes the books.
    async fn finish(mut self) -> Report {
        self.load.set_phase(Phase::Empty);
        let empty = tokio::time::timeout(EMPTY_MAX, self.wait_for_empty()).await;
        self.load.set_phase(Phase::Stop);
        self.tasks.shutdown().await;
        if empty.is_err() {
            let tail = self.server.log_tail();
            let what = format!("the queue does not become empty\n{tail}");
            self.load.ledger().violated(Violation::Server { what });
        }
        let ledger = self.load.ledger();
        self.report.counts = ledger.counts();
        self.report.violations = ledger.finish();
        drop(ledger);
        self.report
    }

    /// Every Put answered, every verdict answered, and the server says the same after one more
    /// kill.
    async fn wait_for_empty(&mut self) {
        let idle = |load: &Load| {
            load.puts_in_flight.load(Ordering::Relaxed) == 0
                && load.jobs_held.load(Ordering::Relaxed) == 0
        };
        while !(settled(&self.load).await && idle(&self.load)) {}
        self.server.kill();
        self.server.start();
        while !(settled(&self.load).await && idle(&self.load)) {}
    }
}

/// Whether the server says that nothing is scheduled, ready or leased.
async fn settled(load: &Load) -> bool {
    let Some(mut client) = load.connect().await else {
        return false;
    };
    let request = WaitQueueRequest {
        queue: QUEUE.into(),
        until: WaitQueueUntil::Settled.into(),
        wait: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
    };
    let answer = client.wait_queue(request).await;
    answer.is_ok_and(|answer| answer.into_inner().done)
}

fn run(store: &'static str, length: Length, seed: u64) -> Report {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let report = runtime.block_on(async {
        let server = Server::new(&binary(), dir.path(), store);
        let mut campaign = Campaign::new(server, seed);
        let started = Instant::now();
        while campaign.wait_for_work().await {
            let over = match length {
                Length::Cycles(cycles) => campaign.report.kills >= cycles,
                Length::Time(time) => started.elapsed() >= time,
            };
            if over {
                break;
            }
            campaign.kill_under_load().await;
        }
        campaign.finish().await
    });
    if !report.violations.is_empty() && store == "journal" {
        eprintln!("the data directory is kept: {}", dir.keep().display());
    }
    report
}

fn print(report: &Report, seed: u64) {
    let Counts {
        acknowledged,
        deliveries,
        completed,
        unclear,
    } = report.counts;
    let per_kill = |sum: i64| sum / i64::try_from(report.kills).unwrap_or(1).max(1);
    eprintln!(
        "kill -9: {} under load, {} more during the start after it; in flight at a kill, on \
         average: {} Puts of {} jobs, {} leases",
        report.kills,
        report.kills_at_start,
        per_kill(report.puts_in_flight),
        SHAPE.batch,
        per_kill(report.jobs_held),
    );
    eprintln!(
        "jobs: {acknowledged} put, {deliveries} delivered, {completed} completed, {unclear} \
         completed without an answer by workers that died"
    );
    eprintln!(
        "kill to work going on again: at most {} ms; seed {seed}",
        report.restart_max.as_millis()
    );
    for violation in &report.violations {
        eprintln!("VIOLATION: {violation}");
    }
}

#[test]
fn kill_9_under_load_loses_nothing_and_repeats_nothing() {
    let length = match number("LEASEQ_CRASH_SECONDS") {
        Some(seconds) => Length::Time(Duration::from_secs(seconds)),
        None => Length::Cycles(number("LEASEQ_CRASH_CYCLES").unwrap_or(4)),
    };
    let seed = number("LEASEQ_CRASH_SEED").unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
    let report = run("journal", length, seed);
    print(&report, seed);
    assert!(report.violations.is_empty(), "the history is not clean");
    assert!(report.kills > 0, "nothing was killed");
    assert!(
        report.idle_kills * 10 <= report.kills,
        "{} of {} kills hit an idle server: this proves nothing",
        report.idle_kills,
        report.kills
    );
}

/// The whole apparatus against a server that does lose everything: it has to see it.
#[test]
fn a_store_that_forgets_is_caught() {
    let report = run("memory", Length::Cycles(1), 1);
    let lost = |violation: &Violation| matches!(violation, Violation::Lost { .. });
    assert!(
        report.violations.iter().any(lost),
        "every job in memory was lost and only this was seen: {:?}",
        report.violations
    );
}
