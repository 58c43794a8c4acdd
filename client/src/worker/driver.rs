//! Runs what a session delivers: one task for each job, one loop for all the rest.
//!
//! D1: a job has a task from its delivery until its verdict is taken.
//! D2: a lost job's verdict is never sent.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::Job;
use super::verdict;
use crate::error::Result;
use crate::leased::{LeaseToken, LeasedJob, Settlement, Verdict};
use crate::opening::SessionBuilder;
use crate::resume::{Event, Resuming};
use crate::session::Delivery;

/// A handler at work.
pub(super) type Running = Pin<Box<dyn Future<Output = Verdict> + Send>>;
/// How long the handler of a lost job may go on.
const LOST_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the last verdicts may take to be confirmed.
const CONFIRM_TIME_MAX: Duration = Duration::from_secs(5);
/// Progress that may wait to be sent.
const PROGRESS_MAX: usize = 256;

pub(super) struct Driver {
    session: Resuming,
    run: Box<dyn Fn(Job) -> Running + Send + Sync>,
    tasks: JoinSet<Verdict>,
    /// The lease of each task, by the task's id.
    tokens: HashMap<Id, LeaseToken>,
    /// What stops each task, by its lease.
    stops: HashMap<LeaseToken, Stop>,
    progress: mpsc::Receiver<(LeaseToken, String)>,
    progress_sender: mpsc::Sender<(LeaseToken, String)>,
    shutdown_timeout: Duration,
    stop: CancellationToken,
    abort: CancellationToken,
    phase: Phase,
}

struct Stop {
    cancel: CancellationToken,
    task: AbortHandle,
}

/// Where a worker is in its life.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// It takes jobs.
    Working,
    /// It finishes those it has, until this moment.
    Draining(Instant),
    /// They are released; the server may take until this moment to confirm it.
    Leaving(Instant),
}

impl Driver {
    pub(super) fn new(
        session: SessionBuilder,
        run: Box<dyn Fn(Job) -> Running + Send + Sync>,
        shutdown_timeout: Duration,
        stop: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        let (progress_sender, progress) = mpsc::channel(PROGRESS_MAX);
        Self {
            session: Resuming::new(session),
            run,
            tasks: JoinSet::new(),
            tokens: HashMap::new(),
            stops: HashMap::new(),
            progress,
            progress_sender,
            shutdown_timeout,
            stop,
            abort,
            phase: Phase::Working,
        }
    }

    /// Until everything is done that a shutdown has left, or the server will not have us.
    pub(super) async fn run(mut self) -> Result<()> {
        while !self.is_done() {
            self.step().await?;
        }
        if !self.session.is_settled() {
            tracing::warn!("the last verdicts could not be confirmed; their jobs may run again");
        }
        self.session.close().await;
        Ok(())
    }

    fn is_done(&self) -> bool {
        match self.phase {
            Phase::Working => false,
            Phase::Draining(_) => self.tasks.is_empty() && self.session.is_settled(),
            Phase::Leaving(until) => self.session.is_settled() || Instant::now() >= until,
        }
    }

    async fn step(&mut self) -> Result<()> {
        let deadline = match self.phase {
            Phase::Working => None,
            Phase::Draining(until) | Phase::Leaving(until) => Some(until),
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if self.phase == Phase::Working => self.drain(),
            () = self.abort.cancelled(), if matches!(self.phase, Phase::Draining(_)) => {
                self.leave();
            }
            () = sleep_until(deadline), if deadline.is_some() => self.leave(),
            Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
            Some((token, text)) = self.progress.recv() => self.session.say_progress(token, text),
            event = self.session.next() => self.handle(event?),
        }
        Ok(())
    }

    /// Takes no more jobs.
    fn drain(&mut self) {
        self.session.drain();
        self.phase = Phase::Draining(Instant::now() + self.shutdown_timeout);
    }

    /// Stops every handler and gives the jobs back.
    fn leave(&mut self) {
        if let Phase::Leaving(_) = self.phase {
            return;
        }
        if !self.tasks.is_empty() {
            tracing::warn!(
                "{} jobs are not finished in time: released",
                self.tasks.len()
            );
        }
        for (token, stop) in self.stops.drain() {
            stop.cancel.cancel();
            self.session
                .settle(Settlement::new(token, Verdict::Release { delay: None }));
        }
        self.tokens.clear();
        self.tasks.abort_all();
        self.phase = Phase::Leaving(Instant::now() + CONFIRM_TIME_MAX);
    }

    /// A handler is done, and perhaps others are too: all their verdicts go out together.
    fn joined(&mut self, first: std::result::Result<(Id, Verdict), JoinError>) {
        let mut next = Some(first);
        while let Some(joined) = next {
            let (id, verdict) = match joined {
                Ok((id, verdict)) => (id, Some(verdict)),
                Err(error) => (error.id(), verdict_of_error(error)),
            };
            self.ended(id, verdict);
            next = self.tasks.try_join_next_with_id();
        }
    }

    fn ended(&mut self, id: Id, verdict: Option<Verdict>) {
        let Some(token) = self.tokens.remove(&id) else {
            return;
        };
        self.stops.remove(&token);
        // No verdict: the task was dropped because its lease was lost.
        let Some(verdict) = verdict else { return };
        if self.session.holds(&token) {
            self.session.settle(Settlement::new(token, verdict));
        } else {
            tracing::warn!("the lease {token} was lost while its job ran: the result is dropped");
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Delivered(delivery) => self.deliver(delivery),
            Event::CancelRequested(tokens) => {
                for token in tokens {
                    if let Some(stop) = self.stops.get(&token) {
                        stop.cancel.cancel();
                    }
                }
            }
            Event::Lost(tokens) => tokens.iter().for_each(|token| self.lost(token)),
            Event::Settled => {}
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let queue: Arc<str> = delivery.queue.into();
        for leased in delivery.jobs {
            if self.phase == Phase::Working {
                self.start(leased, &queue);
            } else {
                // It was on its way when the shutdown was asked.
                self.session.settle(leased.release());
            }
        }
    }

    fn start(&mut self, leased: LeasedJob, queue: &Arc<str>) {
        let token = leased.token();
        let cancel = CancellationToken::new();
        let job = Job {
            leased,
            queue: Arc::clone(queue),
            cancel: cancel.clone(),
            progress: self.progress_sender.clone(),
        };
        let task = self.tasks.spawn((self.run)(job));
        self.tokens.insert(task.id(), token.clone());
        self.stops.insert(token, Stop { cancel, task });
    }

    /// Someone else has the job now: its handler is told, and dropped if it does not listen.
    fn lost(&mut self, token: &LeaseToken) {
        let Some(stop) = self.stops.remove(token) else {
            return;
        };
        tracing::warn!("the lease {token} is lost; its job is cancelled here");
        stop.cancel.cancel();
        tokio::spawn(async move {
            tokio::time::sleep(LOST_TIME_MAX).await;
            stop.task.abort();
        });
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn verdict_of_error(error: JoinError) -> Option<Verdict> {
    let panic = error.try_into_panic().ok()?;
    let verdict = verdict::of_panic(&*panic);
    tracing::error!("{verdict:?}");
    Some(verdict)
}
