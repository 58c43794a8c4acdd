//! Decides how far the journal is durable. Every sync of a segment goes through here.
//!
//! Linux reports a failed sync once, to whichever thread asked first. The pages it could
//! not write are dropped, and the next sync of the same file succeeds without them. So the
//! foreground and the flusher share one state: one sync runs at a time, and after the first
//! failure every later sync fails as well (J3).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::DiskFile;
use crate::seam::Position;

/// How far the journal is durable, and whether a sync has failed.
#[derive(Debug)]
pub(super) struct Durability<F> {
    shared: Arc<Shared<F>>,
    /// Wakes the flusher, which ends when this is dropped. `None`: there is no flusher.
    flusher: Option<SyncSender<()>>,
}

#[derive(Debug)]
struct Shared<F> {
    /// Held during a sync, so that its result is known before the next one begins.
    syncing: Mutex<()>,
    /// Why a sync failed. Never reset: what the disk holds is unknown from then on.
    failure: OnceLock<String>,
    /// Every batch before this position was synced.
    durable: AtomicU64,
    /// For the flusher: the file last written to, and the position behind it.
    unsynced: Mutex<Option<(F, Position)>>,
}

impl<F: DiskFile> Durability<F> {
    pub(super) fn new() -> Self {
        let shared = Shared {
            syncing: Mutex::new(()),
            failure: OnceLock::new(),
            durable: AtomicU64::new(0),
            unsynced: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            flusher: None,
        }
    }

    /// Starts the thread that syncs behind the commits, for `SyncPolicy::Interval`.
    pub(super) fn start_flusher(&mut self, interval: Duration) -> io::Result<()> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name("leaseq-flush".into())
            .spawn(move || shared.flush(interval, &woken))?;
        self.flusher = Some(wake);
        Ok(())
    }

    /// Every batch before this position was synced.
    pub(super) fn position(&self) -> Position {
        Position(self.shared.durable.load(Ordering::Acquire))
    }

    /// Fails if any sync has failed.
    pub(super) fn check(&self) -> io::Result<()> {
        self.shared.check()
    }

    /// Syncs `file`. With that, every batch before `upto` is durable.
    pub(super) fn sync(&self, file: &F, upto: Position) -> io::Result<()> {
        self.shared.sync(file, upto)
    }

    /// Leaves the sync of `file`, in which the batches before `upto` end, to the flusher.
    pub(super) fn sync_later(&self, file: &F, upto: Position) -> io::Result<()> {
        self.check()?;
        *lock(&self.shared.unsynced) = Some((file.clone(), upto));
        if let Some(wake) = &self.flusher {
            // Full: the flusher is awake and will look again.
            let _ = wake.try_send(());
        }
        Ok(())
    }
}

impl<F: DiskFile> Shared<F> {
    fn check(&self) -> io::Result<()> {
        self.failure.get().map_or(Ok(()), |failure| {
            let text = format!("an earlier sync in the background failed: {failure}");
            Err(io::Error::other(text))
        })
    }

    fn sync(&self, file: &F, upto: Position) -> io::Result<()> {
        let _one_at_a_time = lock(&self.syncing);
        self.check()?;
        if let Err(error) = file.sync_data() {
            // Set under the lock, and checked above: it is the first failure.
            let _ = self.failure.set(error.to_string());
            return Err(error);
        }
        self.durable.fetch_max(upto.0, Ordering::AcqRel);
        Ok(())
    }

    /// The thread of the flusher.
    fn flush(&self, interval: Duration, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // Commits gather for an interval; only the end of the journal cuts it short.
            let due = Instant::now() + interval;
            let ended = loop {
                match woken.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break false,
                    Err(RecvTimeoutError::Disconnected) => break true,
                }
            };
            let unsynced = lock(&self.unsynced).take();
            let synced = unsynced.map_or(Ok(()), |(file, upto)| self.sync(&file, upto));
            // A failure is kept in `failure`, where the next commit finds it.
            if synced.is_err() || ended {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
