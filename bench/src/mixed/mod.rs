//! A mixed hour, compressed into minutes: priorities, delays, failures and their retries, releases,
//! rejections, leases that expire, outcomes. Nothing may sag, stall or be lost.

mod master;
mod metrics;
mod tally;
mod windows;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use leaseq_client::{Client, JobState, WaitUntil};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::args::{Common, duration};
use crate::failure::{Failure, Result};
use crate::fdatasync;
use crate::leaseq::client;
use crate::port::free_port;
use crate::report::Report;
use crate::server::Server;
use tally::Tally;
use windows::Windows;

/// The queue of the jobs, and that of their outcomes.
const QUEUE: &str = "mixed";
const OUTCOMES: &str = "outcomes";
/// Jobs that are put and have not ended: more than delays and retries keep away from workers.
const OPEN_JOBS_MAX: usize = 200_000;
/// What waits for its time at the end has this long to come to its end.
const REST_TIME_MAX: Duration = Duration::from_secs(60);

/// How much of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct MixedArgs {
    /// How long
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    duration: Duration,
    /// How long one line of the result is
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    window: Duration,
    /// Masters and as many workers
    #[arg(long, default_value = "8")]
    pairs: usize,
    /// Bytes of a payload
    #[arg(long, default_value = "128")]
    payload: usize,
    /// Purge dead jobs every second, as somebody would who looks after them; without, they pile up
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    common: Common,
}

impl MixedArgs {
    /// As it is run with everything else.
    pub(crate) fn whole(common: Common) -> Self {
        Self {
            duration: Duration::from_secs(300),
            window: Duration::from_secs(10),
            pairs: 8,
            purge: false,
            payload: 128,
            common,
        }
    }
}

/// What masters and workers share.
#[derive(Debug)]
struct Shared {
    tally: Tally,
    /// Room for jobs that have not ended.
    room: Semaphore,
    payload: usize,
}

type Crew = JoinSet<leaseq_client::Result<()>>;

pub(crate) async fn run(args: MixedArgs) -> Result<()> {
    let leaseq = args.common.leaseq()?;
    let name = args.common.name.as_deref().unwrap_or("mixed");
    let mut report = Report::new(name, &leaseq);
    report.note_fdatasync(fdatasync::probe(&args.common.data).await?);
    let _lock = args.common.lock().await?;
    let admin = format!("127.0.0.1:{}", free_port());
    let flags = format!("--admin-listen {admin}");
    let server = leaseq.serve(&args.common.data, &flags).await?;
    let addr = server.place().addr();
    let shared = Arc::new(Shared {
        tally: Tally::new(),
        room: Semaphore::new(OPEN_JOBS_MAX),
        payload: args.payload,
    });

    let mut masters = Crew::new();
    let mut workers = Crew::new();
    for number in 0..args.pairs {
        workers.spawn(worker::run(client(&addr)?, Arc::clone(&shared)));
        workers.spawn(worker::collect(client(&addr)?, Arc::clone(&shared)));
        masters.spawn(master::run(
            client(&addr)?,
            Arc::clone(&shared),
            number as u64,
        ));
    }
    let mut windows = Windows::new(args.payload);
    let watching = windows.watch(&server, &shared.tally, args.window, args.duration);
    tokio::select! {
        () = watching => {}
        failure = purge(client(&addr)?, args.purge) => return Err(failure),
        failure = first_end(&mut masters) => return Err(failure),
        failure = first_end(&mut workers) => return Err(failure),
    }
    // Masters wait for room no more; workers go on with what is left.
    shared.room.close();
    while let Some(ended) = masters.join_next().await {
        ended??;
    }
    rest(&client(&addr)?).await?;
    let slowest_sync = metrics::slowest_sync(&admin).await?;
    finish(&mut report, &windows, &shared.tally, slowest_sync, &server);
    report.save(&args.common.results)
}

/// Nobody ends before the time is over, unless something is wrong.
async fn first_end(crew: &mut Crew) -> Failure {
    match crew.join_next().await {
        Some(Ok(Err(error))) => Failure::from(error),
        Some(Err(panic)) => Failure::from(panic),
        Some(Ok(Ok(()))) | None => Failure::new("a part of the load ended too soon"),
    }
}

/// Purges dead jobs as long as it is polled; never ends if it is not `wanted`.
async fn purge(client: Client, wanted: bool) -> Failure {
    if !wanted {
        return std::future::pending().await;
    }
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        match client.purge_jobs(QUEUE, Some(JobState::Dead), true).await {
            // Or nobody has put anything yet.
            Ok(_) | Err(leaseq_client::Error::QueueNotFound { .. }) => {}
            Err(error) => return Failure::from(error),
        }
    }
}

/// Waits until both queues are settled.
async fn rest(client: &Client) -> Result<()> {
    for queue in [QUEUE, OUTCOMES] {
        let waited = client
            .wait_queue(queue, WaitUntil::Settled, REST_TIME_MAX)
            .await?;
        if !waited.done {
            return Err(Failure::new(format!(
                "{queue} still has jobs that do not end"
            )));
        }
    }
    Ok(())
}

fn finish(
    report: &mut Report,
    windows: &Windows,
    tally: &Tally,
    slowest_sync: Option<Duration>,
    server: &Server,
) {
    report.section(windows.to_markdown());
    report.section(windows.verdict(slowest_sync, server));
    let books = tally.books();
    if !books.balanced() {
        report.note(&format!("the books do not balance: {books:?}"));
    }
    report.section(format!("{books}\n"));
    report.figures(windows.to_json(slowest_sync));
}
