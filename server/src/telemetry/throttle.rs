//! Keeps peers from filling the log: of each kind of line at most so many are written in a
//! second, the others are counted, and their number is written a second later.
//!
//! A kind is one place in the code. The bound is a filter in front of everything that writes, so
//! a new log line is bounded without doing anything for it. Debug and trace are not bounded: they
//! show single calls to an operator who asked for that.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, callsite, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of audit lines. Their bound is higher: each says what a key changed.
pub(super) const AUDIT: &str = "leaseq_server::audit";

/// How many lines of one kind are written in a second.
pub(super) const LINES_PER_SECOND: u64 = 10;

/// How many audit lines are written in a second.
pub(super) const AUDIT_LINES_PER_SECOND: u64 = 1_000;

const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The throttle of this process, once logging is set up.
static THROTTLE: OnceLock<Throttle> = OnceLock::new();

/// Makes `throttle` the one that [`report_suppressed`] reports of.
pub(super) fn install(throttle: Throttle) {
    // Logging is set up once; `init` refuses a second time.
    let _ = THROTTLE.set(throttle);
}

/// Writes each second how many lines were left out. Runs as long as the server.
pub(crate) async fn report_suppressed() {
    let Some(throttle) = THROTTLE.get() else {
        return;
    };
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        throttle.report();
    }
}

/// Bounds the lines of each kind. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    kinds: Mutex<HashMap<callsite::Identifier, Kind>>,
}

/// The lines of one place in the code.
#[derive(Debug, Default)]
struct Kind {
    text: String,
    /// The second that is counted now.
    second: u64,
    written: u64,
    suppressed: u64,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            kinds: Mutex::default(),
        }))
    }

    fn passes(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let lines_max = match metadata.target() {
            AUDIT => AUDIT_LINES_PER_SECOND,
            _ => LINES_PER_SECOND,
        };
        let now = self.0.began.elapsed().as_secs();
        let mut kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(metadata.callsite()).or_default();
        if kind.text.is_empty() {
            event.record(&mut MessageOf(&mut kind.text));
        }
        kind.passes(now, lines_max)
    }

    /// Writes how many lines were left out since the last report, one line for each kind.
    pub(super) fn report(&self) {
        let kinds = self.0.kinds.lock();
        let suppressed: Vec<(String, u64)> = kinds
            .unwrap_or_else(PoisonError::into_inner)
            .values_mut()
            .filter(|kind| kind.suppressed > 0)
            .map(|kind| (kind.text.clone(), std::mem::take(&mut kind.suppressed)))
            .collect();
        // Without the lock: these lines are throttled as well.
        for (kind, count) in suppressed {
            warn!(kind, count, "more log lines of this kind were left out");
        }
    }
}

impl Kind {
    fn passes(&mut self, now: u64, lines_max: u64) -> bool {
        if self.second != now {
            (self.second, self.written) = (now, 0);
        }
        if self.written < lines_max {
            self.written += 1;
            return true;
        }
        self.suppressed += 1;
        false
    }
}

impl<S: Subscriber> Layer<S> for Throttle {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event)
    }
}

/// Takes the text out of an event.
struct MessageOf<'a>(&'a mut String);

impl Visit for MessageOf<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_of_a_second_are_counted() {
        let mut kind = Kind::default();
        let passed: Vec<_> = (0..5).map(|_| kind.passes(7, 2)).collect();
        assert_eq!(passed, [true, true, false, false, false]);
        assert_eq!(kind.suppressed, 3);
        assert!(kind.passes(8, 2));
    }
}
