//! Ends calls whose client takes nothing of the answer.
//!
//! The transport asks a body for more only when the client has taken what came before. A client
//! that keeps its windows closed holds the answer in memory for as long as it answers pings. So
//! the task of each call watches whether its body is asked for more.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep};
use tracing::debug;

use crate::credit::Credit;
use crate::telemetry::GrpcMetrics;

tokio::task_local! {
    static CALL: Progress;
}

/// Whether the client of a call takes its answer. Shared by the body and the task of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// How often the body was asked for more.
    taken: AtomicU64,
    /// The client has to take something before the body is asked again.
    waits: AtomicBool,
    /// The stream may pause as long as this is not short.
    pause: Mutex<Option<Credit>>,
}

impl Progress {
    /// The progress of the call that this task serves; outside of one, a value that is not watched.
    pub(crate) fn of_this_call() -> Self {
        CALL.try_with(Self::clone).unwrap_or_default()
    }

    /// This call is a stream. Its client may read as slowly as it likes while there is credit for
    /// others: a worker may read its next job only when it has finished the last one.
    pub(crate) fn may_pause_with(&self, credit: Credit) {
        let mut pause = self.0.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = Some(credit);
    }

    /// The body was asked for more.
    pub(crate) fn taken(&self) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
        self.0.waits.store(false, Ordering::Relaxed);
    }

    /// The body gave something that the client has to take.
    pub(crate) fn given(&self) {
        self.0.waits.store(true, Ordering::Relaxed);
    }

    fn waits(&self) -> bool {
        self.0.waits.load(Ordering::Relaxed)
    }

    fn may_pause(&self) -> bool {
        let pause = self.0.pause.lock().unwrap_or_else(PoisonError::into_inner);
        pause.as_ref().is_some_and(|credit| !credit.is_short())
    }
}

/// Runs the calls of the connections.
#[derive(Clone)]
pub(crate) struct CallExecutor {
    stall_max: Duration,
    metrics: GrpcMetrics,
}

impl CallExecutor {
    /// A call whose client takes nothing for `stall_max` is ended.
    pub(super) fn new(stall_max: Duration, metrics: GrpcMetrics) -> Self {
        Self { stall_max, metrics }
    }
}

impl<F> Executor<F> for CallExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, call: F) {
        let Self { stall_max, metrics } = self.clone();
        tokio::spawn(async move {
            let progress = Progress::default();
            let mut call = pin!(call);
            let mut stall = Stall::new(stall_max);
            let stalled = poll_fn(|cx| {
                let polled = CALL.sync_scope(progress.clone(), || call.as_mut().poll(cx));
                match polled {
                    Poll::Ready(_) => Poll::Ready(false),
                    Poll::Pending => stall.poll(&progress, cx).map(|()| true),
                }
            });
            // The drop of the call resets its stream.
            if stalled.await {
                metrics.call_stalled();
                debug!("a call is ended: its client takes nothing of the answer");
            }
        });
    }
}

/// Notices that a call makes no progress.
struct Stall {
    max: Duration,
    /// Set when the client has to take something, and looked at only when it is over.
    timer: Option<Pin<Box<Sleep>>>,
    seen: u64,
}

impl Stall {
    fn new(max: Duration) -> Self {
        Self {
            max,
            timer: None,
            seen: 0,
        }
    }

    /// Ready when the client has taken nothing for too long.
    fn poll(&mut self, progress: &Progress, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() && progress.waits() {
            self.seen = progress.0.taken.load(Ordering::Relaxed);
            self.timer = Some(Box::pin(sleep(self.max)));
        }
        while let Some(timer) = &mut self.timer {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if !progress.waits() {
                self.timer = None;
                break;
            }
            let taken = progress.0.taken.load(Ordering::Relaxed);
            if taken == self.seen && !progress.may_pause() {
                return Poll::Ready(());
            }
            self.seen = taken;
            timer.as_mut().reset(Instant::now() + self.max);
        }
        Poll::Pending
    }
}
