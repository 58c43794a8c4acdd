//! `leaseq bench put`: masters only.

use std::sync::Arc;

use clap::Args;

use super::clock::{Clock, Payloads};
use super::load::{BatchArgs, MasterArgs, ServerArgs, TimeArgs};
use super::master::{Master, Quota};
use super::run::{self, Crew};
use super::stats::Phase;
use super::target::Target;
use crate::exit::{Failure, Outcome};
use crate::output::Format;

/// Put only: nobody leases
///
/// Counts jobs whose Put was acknowledged.
#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    masters: MasterArgs,
    #[command(flatten)]
    batches: BatchArgs,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Put {
    pub(super) async fn run(self, format: Format) -> Outcome {
        let target = Target::open(&self.server).await?;
        let phase = run::phase();
        let crew = masters(&target, &phase, &self.masters, &self.batches, None)?;
        let (counts, used) = run::measure(
            &target,
            &phase,
            crew,
            None,
            self.time.warm_up,
            self.time.duration,
        )
        .await?;
        let mut report = run::report("put", &target);
        report.count(&counts, counts.put_jobs, used.time);
        used.note(&mut report, counts.put_jobs);
        report.note_memory(target.memory());
        report.masters = self.masters.masters;
        report.batch = self.batches.batch;
        report.payload_bytes = self.masters.payload;
        report.unary = self.masters.unary;
        target.close().await?;
        run::print(&report, format)
    }
}

/// Masters that put as fast as answers come.
pub(super) fn masters(
    target: &Target,
    phase: &Arc<Phase>,
    args: &MasterArgs,
    batches: &BatchArgs,
    quota: Option<&Arc<Quota>>,
) -> Result<Crew, Failure> {
    let clock = Clock::start();
    let payloads = Arc::new(Payloads::new(args.payload));
    let mut crew = Crew::new();
    for _ in 0..args.masters {
        let master = Master {
            client: target.client()?,
            queues: target.queues.clone(),
            clock,
            phase: Arc::clone(phase),
            payloads: Arc::clone(&payloads),
            balance: None,
            quota: quota.cloned(),
            batch: batches.batch,
            in_flight: batches.in_flight,
            unary: args.unary,
        };
        crew.spawn(master.closed_loop());
    }
    Ok(crew)
}
