//! Those who lease and complete: one session each, or one call after another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use leaseq_client::{Client, Delivery, Flow, LeasedJob, Session, SessionEvent, Settlement};

use super::balance::Balance;
use super::clock::{Clock, stamp_of};
use super::stats::{Counts, Phase, record};

/// How often a worker that gets nothing looks whether the run is over.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What a worker needs.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) client: Client,
    /// The queues of its session; single calls use the first.
    pub(super) queues: Vec<String>,
    pub(super) clock: Clock,
    pub(super) phase: Arc<Phase>,
    /// What ties workers to masters; `None`: nothing.
    pub(super) balance: Option<Arc<Balance>>,
    /// How many jobs the session may hold, or one Get leases.
    pub(super) max_jobs: usize,
    /// How many jobs are completed together at most.
    pub(super) batch: usize,
    pub(super) unary: bool,
    /// Go on, after the end of the phase, until this many jobs have been completed by all workers.
    pub(super) goal: Option<Arc<Goal>>,
}

/// Whether all that was put has been completed.
#[derive(Debug, Default)]
pub(super) struct Goal {
    completed: std::sync::atomic::AtomicU64,
}

impl Goal {
    pub(super) fn completed(&self) -> u64 {
        self.completed.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn add(&self, jobs: u64) {
        self.completed
            .fetch_add(jobs, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Worker {
    /// Completes what comes until the phase ends.
    pub(super) async fn run(self) -> Counts {
        let mut counts = Counts::new();
        let ran = if self.unary {
            self.run_unary(&mut counts).await
        } else {
            self.run_session(&mut counts).await
        };
        if let Err(error) = ran {
            counts.error(error);
        }
        counts
    }

    async fn run_session(&self, counts: &mut Counts) -> leaseq_client::Result<()> {
        let max_jobs = u32::try_from(self.max_jobs).unwrap_or(u32::MAX);
        let opening = self.client.session(&self.queues[0]);
        let others = self.queues.iter().skip(1);
        let mut session = others
            .fold(opening, |opening, queue| opening.queue(queue))
            .worker("leaseq bench")
            .flow(Flow::jobs(max_jobs))
            .open()
            .await?;
        let mut look_up = tokio::time::interval(LOOK_UP);
        while !self.phase.stopped() {
            tokio::select! {
                biased;
                event = session.next() => match event? {
                    Some(event) => self.take(&mut session, event, counts).await?,
                    None => break,
                },
                _ = look_up.tick() => {}
            }
        }
        session.close().await;
        Ok(())
    }

    async fn take(
        &self,
        session: &mut Session,
        event: SessionEvent,
        counts: &mut Counts,
    ) -> leaseq_client::Result<()> {
        match event {
            SessionEvent::Delivered(Delivery { jobs, .. }) => {
                self.note_arrival(&jobs, counts);
                for jobs in jobs.chunks(self.batch) {
                    if self.may_complete(jobs.len()).await {
                        session.settle(completions(jobs)).await?;
                    }
                }
            }
            SessionEvent::Settled(statuses) => self.note_settled(statuses, counts),
            SessionEvent::Draining { reason } => counts.error(reason),
            SessionEvent::Extended(_) | SessionEvent::CancelRequested(_) => {}
        }
        Ok(())
    }

    async fn run_unary(&self, counts: &mut Counts) -> leaseq_client::Result<()> {
        let max_jobs = u32::try_from(self.max_jobs).unwrap_or(u32::MAX);
        while !self.phase.stopped() {
            let get = self.client.get(&self.queues[0]).max_jobs(max_jobs);
            let jobs = get.wait(LOOK_UP).await?;
            if jobs.is_empty() {
                continue;
            }
            self.note_arrival(&jobs, counts);
            if !self.may_complete(jobs.len()).await {
                break;
            }
            let statuses = self.client.settle(completions(&jobs)).await?;
            self.note_settled(statuses, counts);
        }
        Ok(())
    }

    async fn may_complete(&self, jobs: usize) -> bool {
        match &self.balance {
            Some(balance) => balance.may_complete(jobs).await,
            None => true,
        }
    }

    fn note_arrival(&self, jobs: &[LeasedJob], counts: &mut Counts) {
        if !self.phase.measuring() {
            return;
        }
        let now = self.clock.now();
        for job in jobs {
            match stamp_of(job.payload()) {
                Some(stamp) => record(&mut counts.deliver, now.saturating_sub(stamp)),
                None => counts.error("a job that this run has not put"),
            }
        }
    }

    fn note_settled(&self, statuses: Vec<leaseq_client::Result<()>>, counts: &mut Counts) {
        let jobs = statuses.len();
        let mut completed = 0;
        for status in statuses {
            match status {
                Ok(()) => completed += 1,
                Err(error) => counts.error(error),
            }
        }
        if self.phase.measuring() {
            counts.completed_jobs += completed;
        }
        if let Some(balance) = &self.balance {
            balance.completed(jobs);
        }
        if let Some(goal) = &self.goal {
            goal.add(completed);
        }
    }
}

fn completions(jobs: &[LeasedJob]) -> Vec<Settlement> {
    jobs.iter().map(|job| job.complete(Bytes::new())).collect()
}
