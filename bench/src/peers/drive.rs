//! The load on a peer: the same masters and workers for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::pace::{Balance, beat};
use super::payload::{Clock, Payloads, stamp_of};
use super::{Conn, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::{Form, Kind, Load};
use crate::measured::Measured;
use crate::usage::{self, Usage};

/// Calls that are on their way when the run ends get this long; what was measured stands.
const STOP_TIME_MAX: Duration = Duration::from_secs(3);

/// What masters and workers share.
struct Run {
    clock: Clock,
    payloads: Payloads,
    batch: usize,
    /// `None`: masters go on without waiting for workers.
    balance: Option<Balance>,
    /// Jobs that may still be put, if their number is given.
    quota: Option<AtomicU64>,
    measuring: AtomicBool,
    stopped: AtomicBool,
    put: AtomicU64,
    completed: AtomicU64,
}

/// Latencies in nanoseconds of one master or worker.
enum Latencies {
    Put(Histogram<u64>),
    Delivered(Histogram<u64>),
}

type Crew = JoinSet<Result<Latencies>>;

/// Runs the load; with `fill`, until so many jobs have been put.
pub(super) async fn drive(
    peer: &dyn Peer,
    load: &Load,
    pid: u32,
    fill: Option<u64>,
) -> Result<Measured> {
    let latency = matches!(load.kind, Kind::Latency { .. });
    let run = Arc::new(Run {
        clock: Clock::start(),
        payloads: Payloads::new(load.payload),
        batch: load.batch(),
        balance: (load.kind == Kind::Cycle).then(|| Balance::new(load.outstanding())),
        quota: fill.map(AtomicU64::new),
        measuring: AtomicBool::new(fill.is_some()),
        stopped: AtomicBool::new(false),
        put: AtomicU64::new(0),
        completed: AtomicU64::new(0),
    });
    let mut crew = connect(peer, load, &run).await?;
    let mut latencies = Vec::new();
    if fill.is_none() {
        wait_or_end(&mut crew, load.warm_up).await?;
    }
    let start = Snapshot::take(pid, &run);
    run.measuring.store(true, Relaxed);
    match fill {
        Some(_) => gather(&mut crew, &mut latencies).await?,
        None => wait_or_end(&mut crew, load.duration).await?,
    }
    let end = Snapshot::take(pid, &run);
    run.measuring.store(false, Relaxed);
    run.stopped.store(true, Relaxed);
    if let Some(balance) = &run.balance {
        balance.close();
    }
    let stopping = gather(&mut crew, &mut latencies);
    if let Ok(gathered) = tokio::time::timeout(STOP_TIME_MAX, stopping).await {
        gathered?;
    }
    let counts_puts = load.kind == Kind::Put || latency;
    Ok(measured(&start, &end, counts_puts, pid, &latencies))
}

impl Load {
    fn batch(&self) -> usize {
        match self.form {
            Form::Call => 1,
            // Many messages of one job, written together: the peers call it pipelining.
            Form::Stream(jobs) | Form::Batch(jobs) => jobs,
        }
    }
}

async fn connect(peer: &dyn Peer, load: &Load, run: &Arc<Run>) -> Result<Crew> {
    let mut crew = Crew::new();
    let (masters, workers) = match load.kind {
        Kind::Put => (load.pairs, 0),
        Kind::Cycle | Kind::Latency { .. } => (load.pairs, load.pairs),
    };
    let mut conns = Vec::new();
    for number in 0..masters {
        conns.push(peer.connect(Role::Master, number, load.form).await?);
    }
    for number in masters..masters + workers {
        let role = Role::Worker(load.batch());
        let conn = peer.connect(role, number, load.form).await?;
        crew.spawn(Arc::clone(run).work(conn));
    }
    match load.kind {
        Kind::Latency { rate } => {
            let moments = beat(run.clock, rate, masters);
            for (conn, moments) in conns.into_iter().zip(moments) {
                crew.spawn(Arc::clone(run).put_at(conn, moments));
            }
        }
        Kind::Cycle | Kind::Put => {
            for conn in conns {
                crew.spawn(Arc::clone(run).put_on(conn));
            }
        }
    }
    Ok(crew)
}

impl Run {
    /// Puts batch after batch.
    async fn put_on(self: Arc<Self>, mut conn: Box<dyn Conn>) -> Result<Latencies> {
        let mut times = histogram()?;
        while let Some(jobs) = self.next_batch().await {
            let moment = self.clock.now();
            conn.put(self.payloads.stamped(moment, jobs)).await?;
            self.note_put(&mut times, moment, jobs);
        }
        Ok(Latencies::Put(times))
    }

    /// Puts one job at each moment; the time counts from there.
    async fn put_at(
        self: Arc<Self>,
        mut conn: Box<dyn Conn>,
        mut moments: mpsc::Receiver<u64>,
    ) -> Result<Latencies> {
        let mut times = histogram()?;
        while !self.stopped.load(Relaxed) {
            let Some(moment) = moments.recv().await else {
                break;
            };
            conn.put(self.payloads.stamped(moment, 1)).await?;
            self.note_put(&mut times, moment, 1);
        }
        Ok(Latencies::Put(times))
    }

    async fn next_batch(&self) -> Option<usize> {
        if self.stopped.load(Relaxed) {
            return None;
        }
        if let Some(balance) = &self.balance
            && !balance.may_put(self.batch).await
        {
            return None;
        }
        let Some(quota) = &self.quota else {
            return Some(self.batch);
        };
        let take = |left: u64| Some(left.saturating_sub(self.batch as u64));
        let left = quota.fetch_update(Relaxed, Relaxed, take).unwrap_or(0);
        let jobs = usize::try_from(left).unwrap_or(usize::MAX).min(self.batch);
        (jobs > 0).then_some(jobs)
    }

    fn note_put(&self, times: &mut Histogram<u64>, moment: u64, jobs: usize) {
        if self.measuring.load(Relaxed) {
            times.saturating_record(self.clock.now() - moment);
        }
        self.put.fetch_add(jobs as u64, Relaxed);
        if let Some(balance) = &self.balance {
            balance.put(jobs);
        }
    }

    /// Takes and acknowledges.
    async fn work(self: Arc<Self>, mut conn: Box<dyn Conn>) -> Result<Latencies> {
        let mut times = histogram()?;
        let mut held = 0;
        while !self.stopped.load(Relaxed) {
            let jobs = match held {
                0 => conn.take(self.batch).await?,
                _ => conn.ack_take(self.batch).await?,
            };
            let now = self.clock.now();
            self.completed.fetch_add(held as u64, Relaxed);
            if let Some(balance) = &self.balance {
                balance.completed(held);
            }
            if self.measuring.load(Relaxed) {
                for job in &jobs {
                    times.saturating_record(now.saturating_sub(stamp_of(job)));
                }
            }
            held = jobs.len();
            if let Some(balance) = &self.balance
                && !balance.may_complete(held).await
            {
                break;
            }
        }
        Ok(Latencies::Delivered(times))
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000_000, 3)?)
}

/// Nobody stops before the end, unless something is wrong.
async fn wait_or_end(crew: &mut Crew, time: Duration) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        Some(ended) = crew.join_next() => Err(match ended {
            Ok(Err(failure)) => failure,
            Ok(Ok(_)) => Failure::new("a part of the load ended too soon"),
            Err(panic) => Failure::from(panic),
        }),
    }
}

async fn gather(crew: &mut Crew, latencies: &mut Vec<Latencies>) -> Result<()> {
    while let Some(ended) = crew.join_next().await {
        latencies.push(ended??);
    }
    Ok(())
}

/// How things stood at one moment.
struct Snapshot {
    put: u64,
    completed: u64,
    server: Usage,
    client: Duration,
}

impl Snapshot {
    fn take(pid: u32, run: &Run) -> Self {
        Self {
            put: run.put.load(Relaxed),
            completed: run.completed.load(Relaxed),
            server: Usage::of(pid),
            client: usage::own_cpu(),
        }
    }
}

fn measured(
    start: &Snapshot,
    end: &Snapshot,
    counts_puts: bool,
    pid: u32,
    latencies: &[Latencies],
) -> Measured {
    let seconds = (end.server.at - start.server.at).as_secs_f64();
    let jobs = match counts_puts {
        true => end.put - start.put,
        false => end.completed - start.completed,
    };
    let (mut put, mut delivered) = (Vec::new(), Vec::new());
    for latencies in latencies {
        match latencies {
            Latencies::Put(times) => put.push(times),
            Latencies::Delivered(times) => delivered.push(times),
        }
    }
    let [put_p50_us, put_p99_us, put_max_us] = quantiles(&put);
    let [deliver_p50_us, deliver_p99_us, deliver_max_us] = quantiles(&delivered);
    let each = |value: f64| (jobs > 0).then(|| value / jobs as f64);
    let server = end.server.cpu.saturating_sub(start.server.cpu);
    let client = end.client.saturating_sub(start.client);
    let written = end.server.written.saturating_sub(start.server.written);
    Measured {
        jobs,
        seconds,
        jobs_per_s: jobs as f64 / seconds,
        put_p50_us,
        put_p99_us,
        put_max_us,
        deliver_p50_us,
        deliver_p99_us,
        deliver_max_us,
        server_cpu_us_per_job: each(server.as_secs_f64() * 1e6),
        client_cpu_us_per_job: each(client.as_secs_f64() * 1e6),
        server_memory_bytes: Some(usage::memory(pid)),
        written_bytes_per_job: each(written as f64),
        ..Measured::default()
    }
}

/// p50, p99 and the maximum of all of them in microseconds.
fn quantiles(parts: &[&Histogram<u64>]) -> [Option<f64>; 3] {
    let Ok(mut all) = histogram() else {
        return [None; 3];
    };
    for part in parts {
        // They have the same bounds, so nothing can be out of range.
        let _ = all.add(*part);
    }
    if all.is_empty() {
        return [None; 3];
    }
    let nanos = [
        all.value_at_quantile(0.5),
        all.value_at_quantile(0.99),
        all.max(),
    ];
    nanos.map(|nanos| Some((nanos / 100) as f64 / 10.0))
}
