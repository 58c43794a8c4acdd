//! When a batch counts as durable.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::DiskFile;
use crate::seam::Position;

/// When `commit` says Ok.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncPolicy {
    /// When the disk has it: an acknowledged batch survives a power cut.
    #[default]
    Always,
    /// When the operating system has it; the disk gets it within this time. A
    /// killed process loses nothing, a power cut the last so many milliseconds.
    Interval(Duration),
    /// When the operating system has it; the disk gets it when the system likes. A
    /// killed process loses nothing, a power cut up to half a minute.
    Os,
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "interval:{}ms", interval.as_millis()),
            Self::Os => f.write_str("os"),
        }
    }
}

/// The text is no sync policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a sync policy is `always`, `interval:5ms` (1 to 10000 ms) or `os`")]
pub struct SyncPolicyError;

impl FromStr for SyncPolicy {
    type Err = SyncPolicyError;

    fn from_str(text: &str) -> Result<Self, SyncPolicyError> {
        match text {
            "always" => Ok(Self::Always),
            "os" => Ok(Self::Os),
            _ => {
                let millis = text
                    .strip_prefix("interval:")
                    .and_then(|t| t.strip_suffix("ms"));
                let millis = millis.and_then(|text| text.parse().ok());
                match millis {
                    Some(millis @ 1..=10_000) => Ok(Self::Interval(Duration::from_millis(millis))),
                    Some(_) | None => Err(SyncPolicyError),
                }
            }
        }
    }
}

/// Syncs behind the commits, for `SyncPolicy::Interval`. Ends when dropped.
#[derive(Debug)]
pub(super) struct Flusher<F> {
    wake: SyncSender<()>,
    state: Arc<FlusherState<F>>,
}

#[derive(Debug)]
struct FlusherState<F> {
    /// What was written and not synced.
    dirty: Mutex<Option<(F, Position)>>,
    durable: AtomicU64,
    failed: AtomicBool,
}

impl<F: DiskFile> Flusher<F> {
    pub(super) fn start(interval: Duration) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let state = Arc::new(FlusherState {
            dirty: Mutex::new(None),
            durable: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        });
        let thread_state = Arc::clone(&state);
        thread::Builder::new()
            .name("leaseq-flush".into())
            .spawn(move || thread_state.run(interval, &woken))?;
        Ok(Self { wake, state })
    }

    /// Every batch before this position is synced.
    pub(super) fn durable(&self) -> Position {
        Position(self.state.durable.load(Ordering::Acquire))
    }

    /// Every batch before this position was synced by somebody else.
    pub(super) fn synced(&self, upto: Position) {
        self.state.durable.fetch_max(upto.0, Ordering::AcqRel);
    }

    /// All batches before `upto` were written, the last one to this file. Fails if
    /// an earlier sync did: what the disk holds is then unknown.
    pub(super) fn written(&self, file: &F, upto: Position) -> io::Result<()> {
        if self.state.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync in the background failed"));
        }
        *self
            .state
            .dirty
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((file.clone(), upto));
        // Full: it is awake already and will look.
        let _ = self.wake.try_send(());
        Ok(())
    }
}

impl<F: DiskFile> FlusherState<F> {
    fn run(&self, interval: Duration, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // Let an interval's worth of commits gather; only the end cuts it short.
            let due = Instant::now() + interval;
            let ended = loop {
                match woken.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break false,
                    Err(RecvTimeoutError::Disconnected) => break true,
                }
            };
            let dirty = self
                .dirty
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some((file, upto)) = dirty {
                match file.sync_data() {
                    Ok(()) => self.durable.fetch_max(upto.0, Ordering::AcqRel),
                    // Never tried again (J3): the next commit finds it and ends.
                    Err(_) => return self.failed.store(true, Ordering::Release),
                };
            }
            if ended {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_printed() {
        for text in ["always", "interval:5ms", "interval:10000ms", "os"] {
            assert_eq!(text.parse::<SyncPolicy>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Always",
            "interval:0ms",
            "interval:5s",
            "interval:10001ms",
            "never",
        ] {
            assert_eq!(text.parse::<SyncPolicy>(), Err(SyncPolicyError), "{text}");
        }
    }
}
