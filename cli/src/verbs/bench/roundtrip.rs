//! `leaseq bench roundtrip`: put, lease and complete at the same time.

use std::sync::Arc;

use clap::Args;
use tokio::sync::Semaphore;

use super::clock::{Clock, Payloads};
use super::load::{BatchArgs, MasterArgs, ServerArgs, TimeArgs, WorkerArgs};
use super::master::Master;
use super::run::{self, Crew};
use super::stats::Phase;
use super::target::Target;
use super::worker::Worker;
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::values;

/// Put, lease and complete at the same time
///
/// Counts jobs whose completion was acknowledged. Masters pause when too many jobs are under way,
/// so the delivery times include the time in the queue: for those of an idle server see `latency`.
#[derive(Debug, Args)]
pub(crate) struct Roundtrip {
    #[command(flatten)]
    masters: MasterArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    batches: BatchArgs,
    /// How many jobs may be put and not yet completed
    #[arg(long, value_name = "N", default_value = "20k", value_parser = values::positive_count)]
    outstanding: u64,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Roundtrip {
    pub(super) async fn run(self, format: Format) -> Outcome {
        let target = Target::open(&self.server).await?;
        let phase = run::phase();
        let crew = self.crew(&target, &phase)?;
        let (counts, used) =
            run::measure(&target, &phase, crew, self.time.warm_up, self.time.duration).await?;
        let mut report = run::report("roundtrip", &target);
        report.count(&counts, counts.completed_jobs, used.time);
        used.note(&mut report, counts.completed_jobs);
        report.note_memory(target.memory());
        report.masters = self.masters.masters;
        report.workers = self.workers.workers;
        report.batch = self.batches.batch;
        report.payload_bytes = self.masters.payload;
        report.unary = self.masters.unary;
        target.close().await?;
        run::print(&report, format)
    }

    fn crew(&self, target: &Target, phase: &Arc<Phase>) -> Result<Crew, Failure> {
        let clock = Clock::start();
        let queue: Arc<str> = target.queue.as_str().into();
        let payloads = Arc::new(Payloads::new(self.masters.payload));
        let room = Arc::new(Semaphore::new(self.room()));
        let mut crew = Crew::new();
        for _ in 0..self.workers.workers {
            let worker = Worker {
                client: target.client()?,
                queue: Arc::clone(&queue),
                clock,
                phase: Arc::clone(phase),
                room: Some(Arc::clone(&room)),
                max_jobs: self.max_jobs(),
                unary: self.masters.unary,
                goal: None,
            };
            crew.spawn(worker.run());
        }
        for _ in 0..self.masters.masters {
            let master = Master {
                client: target.client()?,
                queue: Arc::clone(&queue),
                clock,
                phase: Arc::clone(phase),
                payloads: Arc::clone(&payloads),
                room: Some(Arc::clone(&room)),
                quota: None,
                batch: self.batches.batch,
                in_flight: self.batches.in_flight,
                unary: self.masters.unary,
            };
            crew.spawn(master.closed_loop());
        }
        Ok(crew)
    }

    /// Room for at least one Put of each master, or nothing would move.
    fn room(&self) -> usize {
        let least = self.masters.masters * self.batches.batch;
        usize::try_from(self.outstanding)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .clamp(least, Semaphore::MAX_PERMITS)
    }

    /// A session holds several batches, so that it never stands still while one is settled.
    fn max_jobs(&self) -> usize {
        const BATCHES: usize = 8;
        const SESSION_JOBS_MAX: usize = 10_000;
        if self.masters.unary {
            self.batches.batch
        } else {
            (self.batches.batch * BATCHES).min(SESSION_JOBS_MAX)
        }
    }
}
