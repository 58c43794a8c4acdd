//! One closed-loop run: everyone starts, warms up, is measured, and stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leaseq_client::ServerInfo;
use tokio::task::JoinSet;

use super::balance::Balance;
use super::report::{Report, cpu_per_job, per_job};
use super::stats::{Counts, Phase};
use super::target::Target;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::process::cpu_of;

/// Everyone who makes load.
pub(super) type Crew = JoinSet<Counts>;

/// After the end of the run, those who do not stop by themselves are stopped.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// What was used up by some moment.
pub(super) struct Meter {
    moment: Instant,
    server: Option<Duration>,
    client: Option<Duration>,
    written: Option<u64>,
}

impl Meter {
    pub(super) fn read(target: &Target) -> Self {
        Self {
            moment: Instant::now(),
            server: target.cpu(),
            client: cpu_of("self"),
            written: target.written(),
        }
    }

    /// How long ago, and what it took: server, client.
    pub(super) fn until_now(&self, target: &Target) -> Used {
        let now = Self::read(target);
        let used = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?))
        };
        Used {
            time: now.moment - self.moment,
            server: used(self.server, now.server),
            client: used(self.client, now.client),
            written: now
                .written
                .zip(self.written)
                .map(|(now, before)| now - before),
        }
    }
}

/// Time that passed, and what was used meanwhile.
pub(super) struct Used {
    pub(super) time: Duration,
    server: Option<Duration>,
    client: Option<Duration>,
    written: Option<u64>,
}

impl Used {
    pub(super) fn note(&self, report: &mut Report, jobs: u64) {
        report.server_cpu_us_per_job = self.server.and_then(|cpu| cpu_per_job(cpu, jobs));
        report.client_cpu_us_per_job = self.client.and_then(|cpu| cpu_per_job(cpu, jobs));
        report.written_bytes_per_job = self.written.and_then(|bytes| per_job(bytes, jobs));
    }
}

/// Lets the crew warm up, measures, and stops it.
pub(super) async fn measure(
    target: &Target,
    phase: &Phase,
    mut crew: Crew,
    balance: Option<&Balance>,
    warm_up: Duration,
    duration: Duration,
) -> Result<(Counts, Used), Failure> {
    let mut counts = Counts::new();
    wait_or_end(&mut crew, &mut counts, warm_up).await?;
    let meter = Meter::read(target);
    phase.measure();
    wait_or_end(&mut crew, &mut counts, duration).await?;
    phase.stop();
    let used = meter.until_now(target);
    if let Some(balance) = balance {
        balance.close();
    }
    gather(crew, &mut counts).await?;
    Ok((counts, used))
}

/// Nobody stops before the phase does, unless something is wrong.
async fn wait_or_end(
    crew: &mut Crew,
    counts: &mut Counts,
    duration: Duration,
) -> Result<(), Failure> {
    tokio::select! {
        () = tokio::time::sleep(duration) => Ok(()),
        Some(ended) = crew.join_next() => {
            add(counts, ended)?;
            let why = counts.first_error.clone().unwrap_or_default();
            Err(Failure::error(format!("the load broke off: {why}")))
        }
    }
}

/// Waits for everyone, but not for ever.
pub(super) async fn gather(mut crew: Crew, counts: &mut Counts) -> Result<(), Failure> {
    let all = async {
        while let Some(ended) = crew.join_next().await {
            add(counts, ended)?;
        }
        Ok(())
    };
    match tokio::time::timeout(STOP_TIME_MAX, all).await {
        Ok(gathered) => gathered,
        // Calls that the server does not answer any more: what was measured stands.
        Err(_) => Ok(()),
    }
}

fn add(counts: &mut Counts, ended: Result<Counts, tokio::task::JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(other) => {
            counts.add(&other);
            Ok(())
        }
        Err(panic) => Err(Failure::error(format!("a part of the load broke: {panic}"))),
    }
}

/// A report that says what was measured, without figures yet.
pub(super) fn report(mode: &'static str, target: &Target) -> Report {
    let ServerInfo {
        sync,
        store,
        version,
        ..
    } = target.info.clone();
    Report {
        mode,
        durability: sync,
        store,
        server_version: version,
        data: target.data().map(|path| path.display().to_string()),
        ..Report::default()
    }
}

/// Prints the report. A run with errors is not a success.
pub(super) fn print(report: &Report, format: Format) -> Outcome {
    match format {
        Format::Json => {
            let value =
                serde_json::to_value(report).map_err(|error| Failure::error(error.to_string()))?;
            output::json(&value)?;
        }
        Format::Table => output::line(&report.to_table())?,
        Format::Name => output::line(&format!("{:.0}", report.jobs_per_s))?,
    }
    Ok(if report.errors == 0 {
        Exit::Ok
    } else {
        Exit::Error
    })
}

/// A phase that everyone can see.
pub(super) fn phase() -> Arc<Phase> {
    Arc::default()
}
