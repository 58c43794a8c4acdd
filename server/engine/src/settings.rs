//! What a queue and a job are told: the settings that rules read.

use std::time::Duration;

use crate::id::QueueName;
use crate::time::Time;

/// How long a job waits between two attempts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RetryPolicy {
    /// The wait before the first retry.
    pub initial_delay: Duration,
    /// No wait is longer.
    pub delay_max: Duration,
    /// The factor from one wait to the next, in hundredths: 200 doubles it.
    pub multiplier_percent: u32,
    /// How much of a wait is random, in hundredths: 0 none, 100 all of it.
    pub jitter_percent: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_secs(1),
            delay_max: Duration::from_secs(3600),
            multiplier_percent: 200,
            jitter_percent: 20,
        }
    }
}

/// The settings of a queue.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueSettings {
    /// How long a lease taken by Get lasts unless the call says otherwise.
    pub lease_duration: Duration,
    /// How often a job may be leased before a failure makes it dead.
    pub max_attempts: u32,
    /// The waits between attempts.
    pub retry: RetryPolicy,
    /// How many scheduled, ready and leased jobs the queue may hold.
    pub jobs_max: Option<u64>,
    /// How long completed and cancelled jobs are kept; zero: not at all.
    pub result_retention: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(30),
            max_attempts: 20,
            retry: RetryPolicy::default(),
            jobs_max: None,
            result_retention: Duration::ZERO,
        }
    }
}

/// What one Put said about jobs, with the queue's defaults filled in. Jobs put
/// together that are told the same share one of these.
#[derive(Clone, PartialEq, Debug)]
pub struct JobSettings {
    /// Higher is leased first.
    pub priority: i32,
    /// Not ready before this; `None`: at once.
    pub ready_time: Option<Time>,
    /// How often the job may be leased before a failure makes it dead; at least 1.
    pub max_attempts: u32,
    /// The waits between attempts.
    pub retry: RetryPolicy,
    /// The queue that gets the outcome.
    pub reply_to: Option<QueueName>,
    /// The longest one attempt may run.
    pub run_time_max: Option<Duration>,
    /// How long the job is kept after it was completed or cancelled.
    pub result_retention: Duration,
}

/// How often the lease of a Get may expire without a sign from its worker before that counts
/// as an attempt. Three: an answer is lost on its way in a few of a hundred calls that are
/// given up, so four in a row are hardly by chance, and a job that kills each worker which
/// takes it by Get has three more to kill.
pub const UNHEARD_MAX: u32 = 3;

/// What a remembered request id is reckoned to take of memory.
pub const REQUEST_ID_BYTES: usize = 224;

/// Limits and defaults of an engine, from the configuration. Not durable: they
/// may change from one start to the next.
#[derive(Clone, PartialEq, Debug)]
pub struct EngineConfig {
    /// Whether a Put creates its queue.
    pub auto_create_queues: bool,
    /// The settings of a queue created by a Put.
    pub queue_defaults: QueueSettings,
    /// How many queues there may be.
    pub queues_max: usize,
    /// How many callers may wait in Get, Put, WaitJob and WaitQueue together.
    pub waiters_max: usize,
    /// How many sessions may be open.
    pub sessions_max: usize,
    /// How many bytes the Puts that wait for room may hold together.
    pub blocked_bytes_max: usize,
    /// How long request ids are remembered.
    pub request_id_window: Duration,
    /// How many bytes of memory the remembered request ids may take.
    pub request_id_bytes_max: usize,
    /// How many settled leases are remembered, so that a verdict sent twice is OK.
    pub verdicts_max: usize,
    /// How often in a row a job may be released before a release counts as an attempt.
    pub releases_max: u32,
    /// The most jobs in one delivery to a session.
    pub delivery_jobs_max: usize,
    /// The most bytes of contents in the answer to one Get; a single larger job
    /// comes alone.
    pub get_bytes_max: u64,
    /// How many jobs, sessions and waiting callers one command may deal with beside the
    /// jobs that it names. The rest follows with the next Tick, so that no single command
    /// holds up all others.
    pub step_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            auto_create_queues: true,
            queue_defaults: QueueSettings::default(),
            queues_max: 10_000,
            waiters_max: 100_000,
            sessions_max: 10_000,
            blocked_bytes_max: 64 << 20,
            request_id_window: Duration::from_secs(600),
            request_id_bytes_max: 64 << 20,
            verdicts_max: 1 << 20,
            releases_max: 1_000,
            delivery_jobs_max: 1_000,
            get_bytes_max: 2 << 20,
            step_max: 8192,
        }
    }
}
