//! What became of jobs, collected from the queue that they replied to.
//!
//! A task of its own keeps the session alive while the caller is busy with a result. The two share
//! what is at hand; neither waits for the other while it holds the lock.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_stream::Stream;

use crate::error::{Error, Result};
use crate::job::{Finished, JobState, Outcome};
use crate::leased::{LeasedJob, Settlement};
use crate::opening::{Flow, SessionBuilder};
use crate::resume::{Event, Resuming};
use crate::session::Delivery;

/// Results leased at the same time: few enough for two masters to share a queue, enough to never
/// wait for the network between two.
const IN_FLIGHT: u32 = 64;
/// How long the server may take to confirm what was collected.
const CONFIRM_TIME_MAX: Duration = Duration::from_secs(5);

/// The results of jobs, each under a lease until the next one is taken: a master that dies before
/// it has dealt with a result loses nothing, the result comes again.
///
/// It is also a [`Stream`]. Call [`done`](Self::done) at the end, or the last result comes again.
#[derive(Debug)]
pub struct Results {
    shared: Arc<Shared>,
    /// The result the caller is busy with.
    current: Option<LeasedJob>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There are verdicts to send, or the caller has gone.
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Ready>,
    verdicts: Vec<Settlement>,
    /// The caller, if it waits.
    waker: Option<Waker>,
    /// The caller has gone.
    closed: bool,
    /// Why nothing more comes, or that all is confirmed.
    end: Option<Result<()>>,
}

#[derive(Debug)]
struct Ready {
    job: LeasedJob,
    queue: Arc<str>,
}

impl Results {
    pub(crate) fn new(session: SessionBuilder) -> Self {
        let shared = Arc::new(Shared::default());
        let session = Resuming::new(session.flow(Flow::jobs(IN_FLIGHT)));
        tokio::spawn(run(session, Arc::clone(&shared)));
        Self {
            shared,
            current: None,
        }
    }

    /// The next result; the one before it is settled. Waits as long as it takes. Cancel safe. An
    /// error means that the server will not have this master.
    pub async fn next(&mut self) -> Result<Finished> {
        std::future::poll_fn(|cx| self.poll_result(cx)).await
    }

    /// The next result, or `None` if there is none in time.
    pub async fn next_within(&mut self, wait: Duration) -> Result<Option<Finished>> {
        match tokio::time::timeout(wait, self.next()).await {
            Ok(finished) => finished.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Settles the last result and gives back those that were not taken. Returns when the server
    /// has confirmed it.
    pub async fn done(mut self) -> Result<()> {
        self.settle_current();
        self.shared.close();
        let ended = std::future::poll_fn(|cx| {
            let mut state = self.shared.state();
            match state.end.clone() {
                Some(end) => Poll::Ready(end),
                None => {
                    state.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        ended.await
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished>> {
        self.settle_current();
        let mut state = self.shared.state();
        if let Some(ready) = state.ready.pop_front() {
            drop(state);
            let finished = finished(&ready);
            self.current = Some(ready.job);
            return Poll::Ready(Ok(finished));
        }
        match &state.end {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(())) => Poll::Ready(Err(Error::Closed {
                what: "results stream",
            })),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn settle_current(&mut self) {
        let Some(job) = self.current.take() else {
            return;
        };
        let verdict = job.complete(bytes::Bytes::new());
        self.shared.state().verdicts.push(verdict);
        self.shared.wake.notify_one();
    }
}

impl Stream for Results {
    type Item = Result<Finished>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(cx).map(Some)
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        // Not dealt with, as far as is known: it comes again, to whoever collects next.
        if let Some(job) = self.current.take() {
            self.shared.state().verdicts.push(job.release());
        }
        self.shared.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    fn deliver(&self, delivery: Delivery) {
        let queue: Arc<str> = delivery.queue.into();
        let mut state = self.state();
        let jobs = delivery.jobs.into_iter();
        state.ready.extend(jobs.map(|job| Ready {
            job,
            queue: Arc::clone(&queue),
        }));
        state.wake_caller();
    }

    fn end(&self, end: Result<()>) {
        let mut state = self.state();
        state.end = Some(end);
        state.wake_caller();
    }

    /// What the caller has decided since the last time, and whether it has gone.
    fn take_verdicts(&self) -> (Vec<Settlement>, bool) {
        let mut state = self.state();
        let mut verdicts = std::mem::take(&mut state.verdicts);
        if state.closed {
            verdicts.extend(state.ready.drain(..).map(|ready| ready.job.release()));
        }
        (verdicts, state.closed)
    }
}

impl State {
    fn wake_caller(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Keeps the session: hands over what comes, sends what the caller decides.
async fn run(mut session: Resuming, shared: Arc<Shared>) {
    let mut closed = false;
    while !closed {
        let event = tokio::select! {
            biased;
            () = shared.wake.notified() => {
                let (verdicts, gone) = shared.take_verdicts();
                verdicts.into_iter().for_each(|verdict| session.settle(verdict));
                closed = gone;
                continue;
            }
            event = session.next() => event,
        };
        match event {
            Ok(Event::Delivered(delivery)) => shared.deliver(delivery),
            Ok(Event::Lost(lost)) => {
                shared
                    .state()
                    .ready
                    .retain(|ready| !lost.contains(&ready.job.token()));
            }
            Ok(Event::CancelRequested(_) | Event::Settled) => {}
            Err(error) => return shared.end(Err(error)),
        }
    }
    let end = tokio::time::timeout(CONFIRM_TIME_MAX, confirm(&mut session)).await;
    session.close().await;
    shared.end(end.unwrap_or_else(|_| {
        Err(Error::Unavailable {
            retry_after: None,
            message: "what was collected last is not confirmed; it may come again".to_owned(),
        })
    }));
}

/// Waits until every verdict is confirmed; what still comes is given back.
async fn confirm(session: &mut Resuming) -> Result<()> {
    session.drain();
    while !session.is_settled() {
        if let Event::Delivered(delivery) = session.next().await? {
            delivery
                .jobs
                .iter()
                .for_each(|job| session.settle(job.release()));
        }
    }
    Ok(())
}

/// A result, as its outcome job tells it.
fn finished(ready: &Ready) -> Finished {
    let job = &ready.job;
    let outcome = job.outcome().unwrap_or_else(|| Outcome {
        job_id: job.id().into(),
        queue: ready.queue.to_string(),
        state: JobState::Completed,
        error: None,
        attempts: job.attempt(),
    });
    Finished {
        outcome,
        result: job.payload().clone(),
    }
}
