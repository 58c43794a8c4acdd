//! A worker: leases jobs, runs a handler for each, settles them, and stays connected.

mod driver;
mod job;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use job::Job;
pub use verdict::{IntoResult, JobError};

use crate::client::Client;
use crate::error::Result;
use crate::leased::Verdict;
use crate::opening::{Flow, SessionBuilder};
use crate::signal::Signals;
use driver::{Driver, Running};

/// How long handlers may finish after a shutdown was asked. A supervisor's patience is commonly
/// 30 s: this leaves time to tell the server.
const SHUTDOWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);

/// Runs a handler for the jobs of one or more queues.
///
/// ```no_run
/// # async fn example(client: leaseq_client::Client) -> leaseq_client::Result<()> {
/// use leaseq_client::{Job, JobError, Worker};
///
/// Worker::new(&client, "squares")
///     .concurrency(4)
///     .run(|job: Job| async move {
///         let n: u64 = job.text()?.parse().map_err(JobError::reject)?;
///         Ok::<_, JobError>(format!("{n} * {n} = {}", n * n))
///     })
///     .await
/// # }
/// ```
///
/// - A handler that returns `Ok` completes its job with that result; `Err` fails the attempt, and
///   the job is tried again or, after its last attempt, dead. A panic is a failure too. For the
///   other verdicts see [`JobError`].
/// - The leases live as long as the worker does: nothing has to be extended.
/// - When the connection breaks, handlers go on; the worker comes back with backoff, keeps the
///   leases it comes back for in time, and sends the verdicts again that were not confirmed.
/// - A lease that was lost meanwhile makes [`Job::cancelled`] resolve; a handler that does not
///   return then is dropped after 5 s.
#[must_use = "a worker does nothing until it is run"]
#[derive(Clone, Debug)]
pub struct Worker {
    session: SessionBuilder,
    concurrency: u32,
    lease_ahead: u32,
    shutdown_timeout: Duration,
}

impl Worker {
    /// A worker for a queue.
    pub fn new(client: &Client, queue: impl Into<String>) -> Self {
        let session = client.patient().session(queue).worker(default_name());
        Self {
            session,
            concurrency: 1,
            lease_ahead: 0,
            shutdown_timeout: SHUTDOWN_TIMEOUT_DEFAULT,
        }
    }

    /// One more queue to take jobs from.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.session = self.session.queue(queue);
        self
    }

    /// How many jobs run at the same time. Default: one.
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.concurrency = jobs.clamp(1, 10_000);
        self
    }

    /// How many more jobs are leased ahead, to wait here for a free place. Default: none; what
    /// waits here cannot be taken by an idle worker. Worth it for jobs that take less time than
    /// the way to the server and back.
    pub fn lease_ahead(mut self, jobs: u32) -> Self {
        self.lease_ahead = jobs.min(10_000);
        self
    }

    /// A name for this worker, shown to operators. Default: the program's name and process id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.session = self.session.worker(name);
        self
    }

    /// How long the leases outlive the last sign of life. Default: the server's, 30 s.
    pub fn lease_duration(mut self, duration: Duration) -> Self {
        self.session = self.session.lease_duration(duration);
        self
    }

    /// How long the leases outlive a broken connection. Default: the server's, 1 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.session = self.session.grace(grace);
        self
    }

    /// How long handlers may finish after a shutdown was asked; then their jobs are released,
    /// which does not count as an attempt. Default: 25 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Runs until SIGTERM or Ctrl-C, then takes no more jobs and finishes those it has. A second
    /// signal releases them.
    ///
    /// An error means that the server will not have this worker: a wrong authkey, a queue that it
    /// may not use. A server that does not answer is waited for.
    pub async fn run<H, F, R, E>(self, handler: H) -> Result<()>
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<R, E>> + Send + 'static,
        R: IntoResult,
        E: Into<JobError>,
    {
        let mut signals = Signals::new()?;
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let listen = async {
            signals.next().await;
            tracing::info!("shutting down: no more jobs are taken, those at hand are finished");
            stop.cancel();
            signals.next().await;
            abort.cancel();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = listen => Ok(()), // never
            outcome = self.driver(handler, stop.clone(), abort.clone()).run() => outcome,
        }
    }

    /// Runs until `shutdown` is done, then takes no more jobs and finishes those it has.
    pub async fn run_until<H, F, R, E>(
        self,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<()>
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<R, E>> + Send + 'static,
        R: IntoResult,
        E: Into<JobError>,
    {
        let stop = CancellationToken::new();
        let listen = async {
            shutdown.await;
            stop.cancel();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = listen => Ok(()), // never
            outcome = self.driver(handler, stop.clone(), CancellationToken::new()).run() => outcome,
        }
    }

    fn driver<H, F, R, E>(
        self,
        handler: H,
        stop: CancellationToken,
        abort: CancellationToken,
    ) -> Driver
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<R, E>> + Send + 'static,
        R: IntoResult,
        E: Into<JobError>,
    {
        let session = self
            .session
            .flow(Flow::jobs(self.concurrency + self.lease_ahead));
        let places = Arc::new(Semaphore::new(self.concurrency as usize));
        let handler = Arc::new(handler);
        let run = Box::new(move |job: Job| -> Running {
            let (handler, places) = (Arc::clone(&handler), Arc::clone(&places));
            Box::pin(async move {
                // The handler of a lost job keeps its place until it is gone, so that there are
                // never more of them than asked for. Nobody closes the semaphore.
                let _place = places.acquire_owned().await;
                if job.is_cancelled() {
                    return Verdict::Release { delay: None };
                }
                verdict::of(handler(job).await)
            })
        });
        Driver::new(session, run, self.shutdown_timeout, stop, abort)
    }
}

/// The program's name and process id.
fn default_name() -> String {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    let stem = program.as_deref().and_then(std::path::Path::file_stem);
    let stem = stem.map_or_else(|| "worker".into(), std::ffi::OsStr::to_string_lossy);
    let mut name = format!("{stem}-{}", std::process::id());
    // The server takes 128 bytes.
    if name.len() > 128 {
        name = format!("worker-{}", std::process::id());
    }
    name
}
