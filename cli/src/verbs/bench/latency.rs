//! `leaseq bench latency`: single jobs at a given rate, whatever the server does.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::clock::{Clock, Payloads};
use super::load::{MasterArgs, ServerArgs, TimeArgs, WorkerArgs};
use super::master::Master;
use super::pacer::{self, Paced};
use super::report::micros;
use super::run::{self, Crew, Meter};
use super::stats::{Counts, Phase};
use super::target::Target;
use super::worker::{Goal, Worker};
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::values;

/// How long after the last put its job may still arrive.
const ARRIVAL_TIME_MAX: Duration = Duration::from_secs(10);
/// Puts without an answer on one stream: more than this behind is a server that has failed.
const IN_FLIGHT: usize = 10_000;
/// Workers hold many jobs at once: this measures the server, not its workers.
const WORKER_JOBS: usize = 1_000;

/// Put single jobs at a fixed rate and measure how long each takes
///
/// Open loop: a put is due at its moment, whether or not earlier ones are answered, and its
/// latency counts from there. Delivery is from that moment to the job's arrival at a worker.
#[derive(Debug, Args)]
pub(crate) struct Latency {
    /// Puts a second, over all masters
    #[arg(long, value_name = "N", default_value = "1000", value_parser = values::positive_count)]
    rate: u64,
    #[command(flatten)]
    masters: MasterArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Latency {
    pub(super) async fn run(self, format: Format) -> Outcome {
        let target = Target::open(&self.server).await?;
        let phase = run::phase();
        let clock = Clock::start();
        let goal = Arc::<Goal>::default();
        let workers = self.workers(&target, &phase, clock, &goal)?;
        let (senders, masters) = self.masters(&target, &phase, clock)?;
        let length = self.time.warm_up + self.time.duration;
        let pacer = pacer::start(clock, self.rate, length, senders)
            .map_err(|error| Failure::error(format!("cannot start a thread: {error}")))?;

        tokio::time::sleep(self.time.warm_up).await;
        let meter = Meter::read(&target);
        phase.measure();
        let paced = tokio::task::spawn_blocking(move || pacer.join())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| Failure::error("the pacer broke"))?;
        let used = meter.until_now(&target);
        let mut counts = Counts::new();
        run::gather(masters, &mut counts).await?;
        let missing = self.wait_for_arrivals(&goal, &paced).await;
        phase.stop();
        run::gather(workers, &mut counts).await?;
        counts.errors += paced.overrun;
        if missing > 0 {
            counts.error(format!("{missing} jobs were not completed"));
        }

        let mut report = run::report("latency", &target);
        report.count(&counts, counts.put_jobs, used.time);
        used.note(&mut report, counts.put_jobs);
        report.note_memory(target.memory());
        report.masters = self.masters.masters;
        report.workers = self.workers.workers;
        report.batch = 1;
        report.payload_bytes = self.masters.payload;
        report.unary = self.masters.unary;
        report.rate = Some(self.rate);
        report.generator_late_p99_us = Some(micros(paced.lateness.value_at_quantile(0.99)));
        target.close().await?;
        run::print(&report, format)
    }

    fn workers(
        &self,
        target: &Target,
        phase: &Arc<Phase>,
        clock: Clock,
        goal: &Arc<Goal>,
    ) -> Result<Crew, Failure> {
        let mut crew = Crew::new();
        for _ in 0..self.workers.workers {
            let worker = Worker {
                client: target.client()?,
                queues: target.queues.names().to_vec(),
                clock,
                phase: Arc::clone(phase),
                balance: None,
                max_jobs: if self.masters.unary { 1 } else { WORKER_JOBS },
                batch: WORKER_JOBS,
                unary: self.masters.unary,
                goal: Some(Arc::clone(goal)),
            };
            crew.spawn(worker.run());
        }
        Ok(crew)
    }

    fn masters(
        &self,
        target: &Target,
        phase: &Arc<Phase>,
        clock: Clock,
    ) -> Result<(Vec<mpsc::Sender<u64>>, Crew), Failure> {
        let payloads = Arc::new(Payloads::new(self.masters.payload));
        let mut senders = Vec::new();
        let mut crew = Crew::new();
        for _ in 0..self.masters.masters {
            let (sender, moments) = mpsc::channel(IN_FLIGHT);
            let master = Master {
                client: target.client()?,
                queues: target.queues.clone(),
                clock,
                phase: Arc::clone(phase),
                payloads: Arc::clone(&payloads),
                balance: None,
                quota: None,
                batch: 1,
                in_flight: IN_FLIGHT,
                unary: self.masters.unary,
            };
            crew.spawn(master.open_loop(moments));
            senders.push(sender);
        }
        Ok((senders, crew))
    }

    /// Waits until every job that was put has been completed; says how many have not in time.
    async fn wait_for_arrivals(&self, goal: &Goal, paced: &Paced) -> u64 {
        const LOOK: Duration = Duration::from_millis(20);
        let expected = paced.lateness.len() - paced.overrun;
        let deadline = tokio::time::Instant::now() + ARRIVAL_TIME_MAX;
        loop {
            let missing = expected.saturating_sub(goal.completed());
            if missing == 0 || tokio::time::Instant::now() >= deadline {
                return missing;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
