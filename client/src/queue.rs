//! Queues, jobs and the server as operators see them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use leaseq_proto::v1 as proto;

use crate::job::{JobState, Outcome, RetryPolicy};
use crate::job_id::JobId;
use crate::wire;

/// The settings of a queue. `None` is the server's default when a queue is created, and "as it is"
/// when one is updated.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct QueueSettings {
    /// How long a lease taken by Get lasts unless the call says otherwise.
    pub lease_duration: Option<Duration>,
    /// How often a job may be leased before a failure makes it dead.
    pub max_attempts: Option<u32>,
    /// The waits between attempts.
    pub retry: Option<RetryPolicy>,
    /// How many scheduled, ready and leased jobs the queue may hold; 0: no bound.
    pub max_jobs: Option<u64>,
    /// How long completed and cancelled jobs can still be read; zero: not at all.
    pub result_retention: Option<Duration>,
}

impl QueueSettings {
    pub(crate) fn into_proto(self, name: String, etag: String) -> proto::Queue {
        proto::Queue {
            name,
            lease_duration: self.lease_duration.map(wire::duration),
            max_attempts: self.max_attempts.unwrap_or_default(),
            retry: self.retry.map(RetryPolicy::into_proto),
            max_jobs: self.max_jobs.unwrap_or_default(),
            result_retention: self.result_retention.map(wire::duration),
            etag,
            ..proto::Queue::default()
        }
    }

    /// The names of the settings that are given.
    pub(crate) fn mask(&self) -> prost_types::FieldMask {
        let given = [
            (self.lease_duration.is_some(), "lease_duration"),
            (self.max_attempts.is_some(), "max_attempts"),
            (self.retry.is_some(), "retry"),
            (self.max_jobs.is_some(), "max_jobs"),
            (self.result_retention.is_some(), "result_retention"),
        ];
        let paths = given.into_iter().filter(|(is_given, _)| *is_given);
        prost_types::FieldMask {
            paths: paths.map(|(_, name)| name.to_owned()).collect(),
        }
    }
}

/// A queue: its settings and how it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueInfo {
    /// The name.
    pub name: String,
    /// The settings.
    pub settings: QueueSettings,
    /// Whether leasing is stopped.
    pub paused: bool,
    /// How it stands.
    pub stats: QueueStats,
    /// Changes with every change of the settings.
    pub etag: String,
    /// When it was created.
    pub create_time: Option<SystemTime>,
}

impl QueueInfo {
    pub(crate) fn from_proto(queue: proto::Queue) -> Self {
        let settings = QueueSettings {
            lease_duration: wire::from_duration(queue.lease_duration),
            max_attempts: Some(queue.max_attempts),
            retry: queue.retry.map(RetryPolicy::from_proto),
            max_jobs: Some(queue.max_jobs),
            result_retention: wire::from_duration(queue.result_retention),
        };
        Self {
            name: queue.name,
            settings,
            paused: queue.paused,
            stats: QueueStats::from_proto(queue.stats.unwrap_or_default()),
            etag: queue.etag,
            create_time: wire::from_timestamp(queue.create_time),
        }
    }
}

/// How a queue stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueStats {
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs that can be leased.
    pub ready: u64,
    /// Jobs that workers have.
    pub leased: u64,
    /// Completed jobs that are kept.
    pub completed: u64,
    /// Dead jobs.
    pub dead: u64,
    /// Cancelled jobs that are kept.
    pub cancelled: u64,
    /// Bytes of payload and headers of the jobs not ended.
    pub size_bytes: u64,
    /// When the oldest ready job was put.
    pub oldest_ready_put_time: Option<SystemTime>,
    /// Sessions and Get calls that wait for a job.
    pub waiting: u64,
    /// Sessions with a free place that the next job is too large for, by their `max_bytes`.
    pub waiting_for_bytes: u64,
}

impl QueueStats {
    fn from_proto(stats: proto::QueueStats) -> Self {
        Self {
            scheduled: stats.scheduled_count,
            ready: stats.ready_count,
            leased: stats.leased_count,
            completed: stats.completed_count,
            dead: stats.dead_count,
            cancelled: stats.cancelled_count,
            size_bytes: stats.size_bytes,
            oldest_ready_put_time: wire::from_timestamp(stats.oldest_ready_put_time),
            waiting: stats.waiting_count,
            waiting_for_bytes: stats.waiting_for_bytes_count,
        }
    }
}

/// A job as the server knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct JobInfo {
    /// The id.
    pub id: JobId,
    /// The queue it is in.
    pub queue: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Its priority.
    pub priority: i32,
    /// When it was put.
    pub put_time: Option<SystemTime>,
    /// Scheduled: when it becomes ready.
    pub ready_time: Option<SystemTime>,
    /// Leased: when the lease ends unless it is extended.
    pub expire_time: Option<SystemTime>,
    /// Attempts so far, the present one included.
    pub attempts: u32,
    /// How many it has in all.
    pub max_attempts: u32,
    /// The error of the last failed attempt.
    pub last_error: Option<String>,
    /// Leased: the name the worker gave itself.
    pub worker: Option<String>,
    /// Leased: what the worker last said of its progress.
    pub progress: Option<String>,
    /// The size of payload and headers in bytes.
    pub size_bytes: u64,
    /// Where the outcome goes.
    pub reply_to: Option<String>,
    /// How often in a row its workers released it.
    pub release_count: u32,
    /// Whether cancellation was asked while a worker has it.
    pub cancel_requested: bool,
    /// The payload, where it was asked for and the job has not ended.
    pub payload: Bytes,
    /// The headers, where they were asked for.
    pub headers: BTreeMap<String, String>,
    /// The result, where it was asked for and is kept.
    pub result: Bytes,
    /// For an outcome job: which job ended, and how.
    pub outcome: Option<Outcome>,
}

impl JobInfo {
    pub(crate) fn from_proto(job: proto::Job) -> Self {
        Self {
            id: JobId::from(job.id),
            queue: job.queue,
            state: JobState::from_proto(job.state),
            priority: job.priority,
            put_time: wire::from_timestamp(job.put_time),
            ready_time: wire::from_timestamp(job.ready_time),
            expire_time: wire::from_timestamp(job.expire_time),
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            last_error: wire::non_empty(job.last_error),
            worker: wire::non_empty(job.worker),
            progress: wire::non_empty(job.progress),
            size_bytes: job.size_bytes,
            reply_to: wire::non_empty(job.reply_to),
            release_count: job.release_count,
            cancel_requested: job.cancel_requested,
            payload: job.payload,
            headers: job.headers,
            result: job.result,
            outcome: job.outcome.map(Outcome::from_proto),
        }
    }
}

/// Which page of a list, and how long.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageRequest {
    /// At most this many; 0: 100.
    pub size: u32,
    /// [`Page::next`] of the page before; empty: the first page.
    pub token: String,
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// The token of the next page; `None`: this is the last.
    pub next: Option<String>,
}

/// What the server is.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerInfo {
    /// The version of leaseq.
    pub version: String,
    /// The store: `journal` or `memory`.
    pub store: String,
    /// When an answer is durable: `always`, `interval:5ms`, `os` or `never`.
    pub sync: String,
    /// The server's clock.
    pub server_time: Option<SystemTime>,
    /// When it started.
    pub start_time: Option<SystemTime>,
    /// The limits a client should know.
    pub limits: ServerLimits,
    /// Whether a Put creates its queue.
    pub auto_create_queues: bool,
}

/// The limits a client should know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerLimits {
    /// The largest payload or result in bytes.
    pub payload_bytes_max: u64,
    /// The most entries in one Put, Get, Settle or Extend.
    pub batch_jobs_max: u32,
    /// The largest request in bytes.
    pub request_bytes_max: u64,
    /// The longest wait a call may ask for.
    pub wait_max: Option<Duration>,
}

impl ServerInfo {
    pub(crate) fn from_proto(info: proto::GetServerInfoResponse) -> Self {
        let limits = info.limits.unwrap_or_default();
        Self {
            version: info.version,
            store: info.store,
            sync: info.sync,
            server_time: wire::from_timestamp(info.server_time),
            start_time: wire::from_timestamp(info.start_time),
            limits: ServerLimits {
                payload_bytes_max: limits.payload_bytes_max,
                batch_jobs_max: limits.batch_jobs_max,
                request_bytes_max: limits.request_bytes_max,
                wait_max: wire::from_duration(limits.wait_max),
            },
            auto_create_queues: info.auto_create_queues,
        }
    }
}
