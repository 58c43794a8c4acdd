//! `leaseq bench fill`: a backlog of a given size, left where it is.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::load::{BatchArgs, MasterArgs, ServerArgs};
use super::master::Quota;
use super::put::masters;
use super::run::{self, Meter};
use super::stats::Counts;
use super::target::Target;
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::values;

/// Put a given number of jobs and leave them there
///
/// For looking at memory and restarts under a backlog: name a running server, or a --data
/// directory that a server of its own fills and leaves.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// How many jobs: 1000, 10k, 1M
    #[arg(long, value_name = "N", value_parser = values::positive_count)]
    jobs: u64,
    /// The queue
    #[arg(long, value_name = "QUEUE", default_value = "backlog")]
    queue: String,
    #[command(flatten)]
    masters: MasterArgs,
    #[command(flatten)]
    batches: BatchArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Fill {
    pub(super) async fn run(self, format: Format) -> Outcome {
        if !self.server.connect.is_given() && self.server.data.is_none() {
            return Err(Failure::usage(
                "there is nowhere to leave the jobs: give --addr of a server, or --data",
            ));
        }
        let mut target = Target::open(&self.server).await?;
        target.use_queue(&self.queue);
        let phase = run::phase();
        phase.measure();
        let quota = Arc::new(Quota::new(self.jobs));
        let mut crew = masters(&target, &phase, &self.masters, &self.batches, Some(&quota))?;
        let meter = Meter::read(&target);
        let mut counts = Counts::new();
        while let Some(ended) = crew.join_next().await {
            let ended = ended.map_err(|panic| Failure::error(panic.to_string()))?;
            counts.add(&ended);
        }
        let used = meter.until_now(&target);
        // The report is read by people who wonder about memory: let the server settle down first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut report = run::report("fill", &target);
        report.count(&counts, counts.put_jobs, used.time);
        used.note(&mut report, counts.put_jobs);
        report.note_memory(target.memory());
        report.masters = self.masters.masters;
        report.batch = self.batches.batch;
        report.payload_bytes = self.masters.payload;
        report.unary = self.masters.unary;
        target.leave().await?;
        run::print(&report, format)
    }
}
