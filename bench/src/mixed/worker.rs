//! Does with each job what it asks for, and collects outcomes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use leaseq_client::{Client, Flow, LeasedJob, SessionEvent, Settlement};

use super::master::Fate;
use super::{OUTCOMES, QUEUE, Shared};

/// How many jobs a session may hold: several batches, and those it has forgotten.
const SESSION_JOBS: u32 = 2_000;

/// What was sent in one settlement request: how many jobs ended with it.
type Sent = VecDeque<Ends>;

#[derive(Clone, Copy, Default, Debug)]
struct Ends {
    completed: u64,
    rejected: u64,
    failed: u64,
    released: u64,
}

/// Works until the task is aborted.
pub(super) async fn run(client: Client, shared: Arc<Shared>) -> leaseq_client::Result<()> {
    let opening = client
        .session(QUEUE)
        .worker("mixed")
        .flow(Flow::jobs(SESSION_JOBS));
    let mut session = opening.open().await?;
    let mut sent = Sent::new();
    while let Some(event) = session.next().await? {
        shared.tally.answered();
        match event {
            SessionEvent::Delivered(delivery) => {
                let (settlements, ends) = settlements(&delivery.jobs, &shared);
                if !settlements.is_empty() {
                    sent.push_back(ends);
                    session.settle(settlements).await?;
                }
            }
            SessionEvent::Settled(statuses) => {
                let refused = statuses.iter().filter(|status| status.is_err()).count();
                count(
                    sent.pop_front().unwrap_or_default(),
                    refused as u64,
                    &shared,
                );
            }
            SessionEvent::Extended(_)
            | SessionEvent::CancelRequested(_)
            | SessionEvent::Draining { .. } => {}
        }
    }
    Ok(())
}

fn settlements(jobs: &[LeasedJob], shared: &Shared) -> (Vec<Settlement>, Ends) {
    let mut ends = Ends::default();
    let mut settlements = Vec::with_capacity(jobs.len());
    for job in jobs {
        let first = job.attempt() == 1;
        let settlement = match Fate::of(job.payload()) {
            Fate::Fail if first => {
                ends.failed += 1;
                job.fail("as it was told")
            }
            // A release is not counted as an attempt: every other lease gives the job back.
            Fate::Release if job.fencing_number() % 2 == 0 => {
                ends.released += 1;
                job.release()
            }
            Fate::Reject => {
                ends.rejected += 1;
                job.reject("as it was told")
            }
            Fate::Forget if first => {
                shared.tally.forgotten.fetch_add(1, Relaxed);
                continue;
            }
            Fate::Complete | Fate::Fail | Fate::Release | Fate::Forget => {
                ends.completed += 1;
                job.complete(Bytes::new())
            }
        };
        settlements.push(settlement);
    }
    (settlements, ends)
}

fn count(ends: Ends, refused: u64, shared: &Shared) {
    let tally = &shared.tally;
    tally.completed.fetch_add(ends.completed, Relaxed);
    tally.rejected.fetch_add(ends.rejected, Relaxed);
    tally.failed.fetch_add(ends.failed, Relaxed);
    tally.released.fetch_add(ends.released, Relaxed);
    tally.refused.fetch_add(refused, Relaxed);
    let ended = usize::try_from(ends.completed + ends.rejected).unwrap_or(0);
    if !shared.room.is_closed() {
        shared.room.add_permits(ended);
    }
}

/// Completes outcomes until the task is aborted.
pub(super) async fn collect(client: Client, shared: Arc<Shared>) -> leaseq_client::Result<()> {
    let opening = client
        .session(OUTCOMES)
        .worker("collector")
        .flow(Flow::jobs(SESSION_JOBS));
    let mut session = opening.open().await?;
    while let Some(event) = session.next().await? {
        shared.tally.answered();
        match event {
            SessionEvent::Delivered(delivery) => {
                let all = delivery.jobs.iter().map(|job| job.complete(Bytes::new()));
                session.settle(all.collect()).await?;
            }
            SessionEvent::Settled(statuses) => {
                let done = statuses.iter().filter(|status| status.is_ok()).count();
                shared.tally.outcomes.fetch_add(done as u64, Relaxed);
            }
            SessionEvent::Extended(_)
            | SessionEvent::CancelRequested(_)
            | SessionEvent::Draining { .. } => {}
        }
    }
    Ok(())
}
