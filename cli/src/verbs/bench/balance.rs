//! Keeps masters and workers together: neither gets ahead of the other by more than so many jobs.
//! Masters that ran ahead would measure a growing backlog, workers that ran ahead would eat up the
//! backlog they are measured on.

use tokio::sync::Semaphore;

/// Jobs put against jobs completed.
#[derive(Debug)]
pub(super) struct Balance {
    puts: Semaphore,
    completions: Semaphore,
}

impl Balance {
    /// Up to `lead` jobs either way.
    pub(super) fn new(lead: usize) -> Self {
        Self {
            puts: Semaphore::new(lead),
            completions: Semaphore::new(lead),
        }
    }

    /// Waits until so many jobs may be put; `false`: none, ever again.
    pub(super) async fn may_put(&self, jobs: usize) -> bool {
        take(&self.puts, jobs).await
    }

    /// So many jobs have been put.
    pub(super) fn put(&self, jobs: usize) {
        self.completions.add_permits(jobs);
    }

    /// Waits until so many jobs may be completed; `false`: none, ever again.
    pub(super) async fn may_complete(&self, jobs: usize) -> bool {
        take(&self.completions, jobs).await
    }

    /// So many jobs have been completed.
    pub(super) fn completed(&self, jobs: usize) {
        self.puts.add_permits(jobs);
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        self.puts.close();
        self.completions.close();
    }
}

async fn take(permits: &Semaphore, jobs: usize) -> bool {
    let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
    match permits.acquire_many(jobs).await {
        Ok(taken) => {
            taken.forget();
            true
        }
        Err(_closed) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_further_ahead_than_allowed() {
        let wait = std::time::Duration::from_secs(1);
        let balance = Balance::new(100);
        assert!(balance.may_put(100).await);
        let waiting = tokio::time::timeout(wait, balance.may_put(1)).await;
        assert!(waiting.is_err(), "the room is used up");
        balance.put(100);
        assert!(balance.may_complete(200).await);
        balance.completed(200);
        assert!(balance.may_put(200).await);
        balance.close();
        assert!(!balance.may_put(1).await && !balance.may_complete(1).await);
    }
}
