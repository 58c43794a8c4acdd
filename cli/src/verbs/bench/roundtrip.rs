//! `leaseq bench roundtrip`: put, lease and complete at the same time.

use std::sync::Arc;

use clap::Args;

use super::balance::Balance;
use super::clock::{Clock, Payloads};
use super::load::{BatchArgs, MasterArgs, ServerArgs, TimeArgs, WorkerArgs, at_least_one};
use super::master::Master;
use super::run::{self, Crew};
use super::stats::Phase;
use super::target::Target;
use super::worker::Worker;
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::values;

/// More is no bound at all; a semaphore can hold it.
const LEAD_MAX: usize = 1 << 30;
/// The server's own limit, unless it is told another.
const SESSION_QUEUES_MAX: usize = 100;

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
    /// How many jobs a session may hold [default: eight batches]
    #[arg(long, value_name = "N", conflicts_with = "unary", value_parser = at_least_one)]
    flow: Option<usize>,
    /// Spread the jobs over so many queues; a session takes up to 100 of them
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        conflicts_with = "unary",
        value_parser = at_least_one
    )]
    queues: usize,
    /// Use this queue, with what is in it, and leave it as it is
    #[arg(long, value_name = "QUEUE", conflicts_with = "queues")]
    queue: Option<String>,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Roundtrip {
    pub(super) async fn run(self, format: Format) -> Outcome {
        let sessions_min = self.queues.div_ceil(SESSION_QUEUES_MAX);
        if self.workers.workers < sessions_min {
            return Err(Failure::usage(format!(
                "so many queues need at least {sessions_min} workers"
            )));
        }
        let mut target = Target::open(&self.server).await?;
        match &self.queue {
            Some(queue) => target.use_queue(queue),
            None => target.spread(self.queues),
        }
        let phase = run::phase();
        let balance = Arc::new(Balance::new(self.lead()));
        let crew = self.crew(&target, &phase, &balance)?;
        let TimeArgs { warm_up, duration } = self.time;
        let (counts, used) =
            run::measure(&target, &phase, crew, Some(&balance), warm_up, duration).await?;
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

    fn crew(
        &self,
        target: &Target,
        phase: &Arc<Phase>,
        balance: &Arc<Balance>,
    ) -> Result<Crew, Failure> {
        let clock = Clock::start();
        let payloads = Arc::new(Payloads::new(self.masters.payload));
        let mut crew = Crew::new();
        let workers = self.workers.workers;
        for at in 0..workers {
            let queues = target.queues.part(at, workers, SESSION_QUEUES_MAX);
            let worker = Worker {
                client: target.client()?,
                queues: queues.to_vec(),
                clock,
                phase: Arc::clone(phase),
                balance: Some(Arc::clone(balance)),
                max_jobs: self.max_jobs(),
                batch: self.batches.batch,
                unary: self.masters.unary,
                goal: None,
            };
            crew.spawn(worker.run());
        }
        for at in 0..self.masters.masters {
            let master = Master {
                client: target.client()?,
                queues: target.queues.beginning_at(at, self.masters.masters),
                clock,
                phase: Arc::clone(phase),
                payloads: Arc::clone(&payloads),
                balance: Some(Arc::clone(balance)),
                quota: None,
                batch: self.batches.batch,
                in_flight: self.batches.in_flight,
                unary: self.masters.unary,
            };
            crew.spawn(master.closed_loop());
        }
        Ok(crew)
    }

    /// At least one batch of each master and worker, or nothing would move.
    fn lead(&self) -> usize {
        let least = self.masters.masters.max(self.workers.workers) * self.batches.batch;
        usize::try_from(self.outstanding)
            .unwrap_or(usize::MAX)
            .clamp(least, LEAD_MAX.max(least))
    }

    /// A session holds several batches, so that it never stands still while one is settled.
    fn max_jobs(&self) -> usize {
        const BATCHES: usize = 8;
        const SESSION_JOBS_MAX: usize = 10_000;
        if self.masters.unary {
            self.batches.batch
        } else {
            let usual = (self.batches.batch * BATCHES)
                .max(self.batches.in_flight)
                .min(SESSION_JOBS_MAX);
            self.flow.unwrap_or(usual)
        }
    }
}
