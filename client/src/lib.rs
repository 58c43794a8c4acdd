//! The Rust client of [leaseq](https://crates.io/crates/leaseq), a job-queue server: masters put
//! jobs on named queues, workers lease them, run them and settle them, masters collect the results.
//!
//! ```no_run
//! use leaseq_client::{Client, Job, JobError, Master, NewJob, Worker};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> leaseq_client::Result<()> {
//! // The server of LEASEQ_ADDR (default 127.0.0.1:5327), with the key of LEASEQ_AUTHKEY.
//! let client = Client::from_env()?;
//!
//! // A worker, usually a program of its own. The result goes out with the completion.
//! let worker = Worker::new(&client, "squares").concurrency(4).run(|job: Job| async move {
//!     let n: u64 = job.text()?.parse().map_err(JobError::reject)?;
//!     Ok::<_, JobError>(format!("{n} * {n} = {}", n * n))
//! });
//! let worker = tokio::spawn(worker);
//!
//! // A master. A job is durable when `put` returns.
//! let master = Master::new(&client);
//! for n in 0..10 {
//!     master.put("squares", NewJob::new(n.to_string()).reply_to("results")).await?;
//! }
//! let mut results = master.results("results");
//! for _ in 0..10 {
//!     println!("{:?}", results.next().await?.into_result());
//! }
//! results.done().await?;
//! # worker.abort();
//! # Ok(()) }
//! ```
//!
//! | to | use |
//! |---|---|
//! | put jobs and collect what became of them | [`Master`] |
//! | run a handler for the jobs of a queue | [`Worker`] |
//! | make any single call: get, settle, queues, jobs, the server | [`Client`] |
//! | put many jobs fast | [`PutStream`] |
//! | handle deliveries by the batch | [`Session`] |
//!
//! # When things go wrong
//!
//! - A server that is not there yet, or not any more, is waited for with backoff, and what is
//!   going on is said through [`tracing`](https://docs.rs/tracing). [`ClientBuilder`] sets for how
//!   long.
//! - A call that broke off is made again where that is safe. Every Put carries a request id, so
//!   the server adds its jobs once; settling twice is like settling once.
//! - A worker that dies loses nothing: its jobs are leased to others. One that loses its
//!   connection comes back and keeps its leases.
//! - A wrong authkey is an [`Error::Unauthenticated`] at once.
//!
//! # Features
//!
//! - `json`: payloads and results as JSON of serde types.

mod address;
mod admin;
mod calls;
mod client;
mod codec;
mod connect;
mod error;
mod get;
mod health;
mod incoming;
mod job;
mod job_id;
#[cfg(feature = "json")]
mod json;
mod leased;
mod master;
mod opening;
mod put;
mod put_stream;
mod queue;
mod received;
mod request_id;
mod results;
mod resume;
mod retry;
mod session;
mod signal;
mod unclaimed;
mod wire;
mod worker;

pub use calls::{Extension, JobWait, QueueWait, WaitUntil};
pub use client::Client;
pub use connect::ClientBuilder;
pub use error::{Error, Result};
pub use get::{Get, Leased};
pub use job::{Finished, JobState, NewJob, Outcome, RetryPolicy};
pub use job_id::JobId;
#[cfg(feature = "json")]
pub use json::Json;
pub use leased::{LeaseToken, LeasedJob, Settlement, Verdict};
pub use master::Master;
pub use opening::{Flow, SessionBuilder};
pub use put::{PutAnswer, PutBatch, PutOne};
pub use put_stream::{PutOneTicket, PutStream, PutTicket};
pub use queue::{
    JobInfo, Page, PageRequest, QueueInfo, QueueSettings, QueueStats, ServerInfo, ServerLimits,
};
pub use results::Results;
pub use session::{Delivery, Session, SessionEvent};
pub use worker::{IntoResult, Job, JobError, Worker};
