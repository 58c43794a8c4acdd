//! Whether a worker is idle, and for how long it has been.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// Counts the jobs at hand.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at_hand: usize,
    idle_since: Instant,
}

/// A job is at hand for as long as this lives.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a Pace);

impl Pace {
    /// Starts idle.
    pub(super) fn new(patience: Option<Duration>) -> Self {
        let state = State {
            at_hand: 0,
            idle_since: Instant::now(),
        };
        Self {
            patience,
            state: Mutex::new(state),
        }
    }

    /// A job has come.
    pub(super) fn begin(&self) -> Busy<'_> {
        self.change(|state| state.at_hand += 1);
        Busy(self)
    }

    /// Waits until there has been no job for as long as patience lasts; without it, for ever.
    pub(super) async fn idle(&self) {
        let Some(patience) = self.patience else {
            return std::future::pending().await;
        };
        loop {
            let end = self.change(|state| match state.at_hand {
                0 => state.idle_since + patience,
                _ => Instant::now() + patience,
            });
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.at_hand -= 1;
            state.idle_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn idle_begins_when_the_last_job_is_done() {
        let pace = Pace::new(Some(5 * SECOND));
        let start = Instant::now();
        let first = pace.begin();
        let second = pace.begin();
        let work = async {
            tokio::time::sleep(10 * SECOND).await;
            drop(first);
            tokio::time::sleep(10 * SECOND).await;
            drop(second);
        };
        tokio::join!(work, pace.idle());
        assert_eq!(start.elapsed(), 25 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn without_patience_it_never_ends() {
        let pace = Pace::new(None);
        let ended = tokio::time::timeout(1000 * SECOND, pace.idle()).await;
        assert!(ended.is_err());
    }
}
