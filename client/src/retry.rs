//! Trying again: what, how often, how long, and what is said meanwhile.
//!
//! Only what is safe to repeat is: a Put carries a request id, a settlement is known by its token,
//! a Get whose caller went away gives its jobs back. A wrong authkey is never tried again.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// The first wait is this long and up to as much again, so that a fleet does not come back at once.
const DELAY_MIN: Duration = Duration::from_millis(100);
/// No wait is longer. Half of it is certain and half of it random.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// An attempt that lasted this long had reached the server: counting starts anew.
const ANSWERED_AFTER: Duration = Duration::from_secs(10);

/// How long to go on when the server does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// Until it answers.
    Forever,
    /// This long, counted from the first time it did not.
    For(Duration),
}

/// The waits between attempts: 100 ms to 5 s, growing, with jitter.
fn delays() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(DELAY_MIN)
        .with_max_delay(DELAY_MAX / 2)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

/// One undertaking that may take several attempts.
pub(crate) struct Retry {
    patience: Patience,
    addr: Arc<str>,
    /// Made when it is needed: to draw the randomness of its jitter costs a call of the
    /// system, and most undertakings succeed at once.
    delays: Option<ExponentialBackoff>,
    attempt_start: Instant,
    /// Since when the server has not answered.
    trouble_since: Option<Instant>,
}

impl Retry {
    pub(crate) fn new(patience: Patience, addr: &Arc<str>) -> Self {
        Self {
            patience,
            addr: Arc::clone(addr),
            delays: None,
            attempt_start: Instant::now(),
            trouble_since: None,
        }
    }

    /// An attempt begins.
    pub(crate) fn begin(&mut self) {
        self.attempt_start = Instant::now();
    }

    /// The server answered.
    pub(crate) fn answered(&mut self) {
        self.connected();
        self.delays = None;
    }

    /// The server is there, but what it does with this undertaking remains to be seen: the next
    /// wait is not short again.
    pub(crate) fn connected(&mut self) {
        if self.trouble_since.take().is_some() {
            tracing::info!("leaseq at {} answers again", self.addr);
        }
    }

    /// An attempt failed: waits until the next one, or gives the error back if there is none.
    pub(crate) async fn pause(&mut self, error: Error) -> Result<()> {
        let delay = self.delay(error)?;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// How long to wait before the next attempt, or the error if there is none.
    pub(crate) fn delay(&mut self, error: Error) -> Result<Duration> {
        if !error.is_transient() {
            return Err(error);
        }
        let now = Instant::now();
        if now.duration_since(self.attempt_start) > ANSWERED_AFTER {
            self.answered();
        }
        let since = *self.trouble_since.get_or_insert(now);
        let next = self.delays.get_or_insert_with(delays).next();
        let mut delay = next.unwrap_or(DELAY_MAX).min(DELAY_MAX);
        if let Some(asked) = error.retry_after() {
            delay = delay.max(asked.min(DELAY_MAX));
        }
        if let Patience::For(patience) = self.patience {
            let left = patience.saturating_sub(now.duration_since(since));
            if left.is_zero() {
                return Err(error);
            }
            delay = delay.min(left);
        }
        self.tell(&error, delay);
        Ok(delay)
    }

    fn tell(&self, error: &Error, delay: Duration) {
        let addr = &self.addr;
        let millis = delay.as_millis();
        if let Error::Unreachable { cause, .. } = error {
            tracing::warn!(
                "leaseq at {addr} does not answer ({cause}); trying again in {millis} ms"
            );
        } else {
            tracing::warn!("leaseq at {addr}: {error}; trying again in {millis} ms");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> Error {
        Error::Unreachable {
            addr: "a:1".into(),
            cause: "connection refused".to_owned(),
        }
    }

    fn retry(patience: Patience) -> Retry {
        Retry::new(patience, &"a:1".into())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_from_100_ms_to_5_s_and_never_beyond() {
        let mut retry = retry(Patience::Forever);
        let waits: Vec<_> = (0..20)
            .map(|_| retry.delay(unreachable()).unwrap())
            .collect();
        assert!(
            waits[0] >= DELAY_MIN && waits[0] <= DELAY_MIN * 2,
            "{waits:?}"
        );
        assert!(waits.iter().all(|wait| *wait <= DELAY_MAX), "{waits:?}");
        assert!(
            waits[10..].iter().all(|wait| *wait >= DELAY_MAX / 2),
            "{waits:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_starts_the_waits_anew() {
        let mut retry = retry(Patience::Forever);
        for _ in 0..10 {
            retry.delay(unreachable()).unwrap();
        }
        retry.answered();
        assert!(retry.delay(unreachable()).unwrap() <= DELAY_MIN * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_the_error_comes_back() {
        let mut retry = retry(Patience::For(Duration::from_secs(3)));
        let start = Instant::now();
        let error = loop {
            retry.begin();
            if let Err(error) = retry.pause(unreachable()).await {
                break error;
            }
        };
        assert_eq!(error, unreachable());
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn failing_fast_makes_one_attempt() {
        assert_eq!(
            retry(Patience::For(Duration::ZERO)).delay(unreachable()),
            Err(unreachable())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_key_is_never_tried_again() {
        let error = Error::Unauthenticated {
            message: "wrong key".to_owned(),
        };
        assert_eq!(retry(Patience::Forever).delay(error.clone()), Err(error));
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_may_ask_for_a_longer_wait() {
        let error = Error::Unavailable {
            retry_after: Some(Duration::from_secs(2)),
            message: "starting".to_owned(),
        };
        let delay = retry(Patience::Forever).delay(error).unwrap();
        assert!(delay >= Duration::from_secs(2));
    }
}
