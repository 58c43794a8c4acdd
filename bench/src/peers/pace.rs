//! When masters and workers may go on: in step with each other, or at given moments.

use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::payload::Clock;

/// Puts that may wait for one master: more behind is a server that has failed.
const MOMENTS_MAX: usize = 10_000;

/// Neither side gets ahead of the other by more than so many jobs, as in leaseq's own bench.
#[derive(Debug)]
pub(super) struct Balance {
    puts: Semaphore,
    completions: Semaphore,
}

impl Balance {
    pub(super) fn new(lead: u64) -> Self {
        let lead = usize::try_from(lead).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            puts: Semaphore::new(lead),
            completions: Semaphore::new(lead),
        }
    }

    /// `false`: never again.
    pub(super) async fn may_put(&self, jobs: usize) -> bool {
        take(&self.puts, jobs).await
    }

    pub(super) fn put(&self, jobs: usize) {
        self.completions.add_permits(jobs);
    }

    /// `false`: never again.
    pub(super) async fn may_complete(&self, jobs: usize) -> bool {
        take(&self.completions, jobs).await
    }

    pub(super) fn completed(&self, jobs: usize) {
        self.puts.add_permits(jobs);
    }

    pub(super) fn close(&self) {
        self.puts.close();
        self.completions.close();
    }
}

async fn take(permits: &Semaphore, jobs: usize) -> bool {
    let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
    let taken = permits.acquire_many(jobs).await;
    taken.map(tokio::sync::SemaphorePermit::forget).is_ok()
}

/// A thread that sends each of `masters` in turn the moments at which it is to put, whatever became
/// of earlier puts; tokio's own timer is too coarse for this. Ends with its receivers.
pub(super) fn beat(clock: Clock, rate: u64, masters: usize) -> Vec<mpsc::Receiver<u64>> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..masters).map(|_| mpsc::channel(MOMENTS_MAX)).unzip();
    std::thread::spawn(move || {
        let start = clock.now();
        for (put, master) in (0_u64..).zip(senders.iter().cycle()) {
            let due = start + put * 1_000_000_000 / rate.max(1);
            let moment = wait_until(clock, due);
            if let Err(mpsc::error::TrySendError::Closed(_)) = master.try_send(moment) {
                break;
            }
        }
    });
    receivers
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own")]
fn wait_until(clock: Clock, due: u64) -> u64 {
    loop {
        let now = clock.now();
        if now >= due {
            return now;
        }
        std::thread::sleep(Duration::from_nanos(due - now));
    }
}
