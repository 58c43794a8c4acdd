//! Many waiting jobs: what they take, whether the life cycle is as fast on top of them, and how
//! soon a server that was killed leases the first of them.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::leaseq::{Target, impatient_client};
use crate::load::Load;
use crate::measured::{Extra, Measured};
use crate::server::Server;
use crate::subject::Subject;
use crate::turn::{Bench, sync_of};
use crate::usage;

/// A server that leases nothing within this has lost the backlog.
pub(crate) const FIRST_LEASE_MAX: Duration = Duration::from_secs(120);
/// Between two attempts at a server that does not lease yet.
pub(crate) const ATTEMPT_PAUSE: Duration = Duration::from_millis(2);
/// What is written behind and freed late has time for it before memory and disk are read.
pub(crate) const SETTLE_TIME: Duration = Duration::from_secs(3);

/// Fills, measures, kills, starts again.
pub(crate) async fn turn(
    bench: &Bench,
    subject: &Subject,
    load: &Load,
    jobs: u64,
) -> Result<Measured> {
    if !subject.is_leaseq() {
        return peer_turn(bench, subject, load, jobs).await;
    }
    let flags = format!("--admin-listen off --sync {}", sync_of(subject));
    let mut server = bench.leaseq.serve(&bench.data, &flags).await?;
    let target = Target::of(&server);
    let leaseq = &bench.leaseq;
    let fresh = Footprint::of(&server);
    let empty = leaseq.measure_at(load, &target).await?;
    let filled = leaseq.fill(jobs, load.payload, &target).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let disk = Footprint::of(&server);
    let restarted = restart(&mut server).await?;
    // Of a server that has done nothing but start, like the fresh one.
    let waiting = Footprint {
        memory: Footprint::of(&server).memory,
        ..disk
    };
    let mut measured = leaseq.measure_backlog(load, &Target::of(&server)).await?;
    let restarted_under_load = restart(&mut server).await?;
    measured.extra = Extra {
        backlog: Some(jobs),
        empty_jobs_per_s: Some(empty.jobs_per_s),
        fill_jobs_per_s: Some(filled.jobs_per_s),
        first_lease_s: Some(restarted.as_secs_f64()),
        first_lease_loaded_s: Some(restarted_under_load.as_secs_f64()),
        ..waiting.since(fresh, jobs)
    };
    measured.errors += filled.errors + empty.errors;
    Ok(measured)
}

#[cfg(feature = "peers")]
async fn peer_turn(bench: &Bench, subject: &Subject, load: &Load, jobs: u64) -> Result<Measured> {
    crate::peers::backlog(subject, load, jobs, &bench.data).await
}

#[cfg(not(feature = "peers"))]
async fn peer_turn(_: &Bench, _: &Subject, _: &Load, _: u64) -> Result<Measured> {
    Err(Failure::new("absent: build with --features peers"))
}

/// What a server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    memory: u64,
    disk: u64,
}

impl Footprint {
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            memory: usage::memory(server.pid()),
            disk: usage::disk_bytes(server.place().dir()),
        }
    }

    /// What so many jobs have added.
    pub(crate) fn since(self, before: Self, jobs: u64) -> Extra {
        let each = |now: u64, before: u64| Some(now.saturating_sub(before) as f64 / jobs as f64);
        Extra {
            memory_bytes_per_job: each(self.memory, before.memory),
            disk_bytes_per_job: each(self.disk, before.disk),
            ..Extra::default()
        }
    }
}

/// Kills it and starts it again; gives the time to the first lease.
async fn restart(server: &mut Server) -> Result<Duration> {
    server.kill();
    server.start_again()?;
    first_lease(server).await
}

/// From the start of the process to the first job in a worker's hands.
async fn first_lease(server: &Server) -> Result<Duration> {
    let addr = server.place().addr();
    while server.started.elapsed() < FIRST_LEASE_MAX {
        // A client of its own each time: backoff would be measured otherwise.
        let got = impatient_client(&addr)?.get("backlog").wait(Duration::ZERO);
        let got = tokio::time::timeout(Duration::from_secs(1), got.leased()).await;
        if let Ok(Ok(leased)) = got
            && !leased.jobs.is_empty()
        {
            return Ok(Instant::now() - server.started);
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
    Err(Failure::new("no job was leased after the restart"))
}
