//! What load is made: the same for leaseq and for every peer.

use std::time::Duration;

/// Jobs that may be put and not yet completed where each call waits for its answer: more would
/// only wait.
const OUTSTANDING_CALLS: u64 = 2_000;
/// The same for streams, unless batches are large.
const OUTSTANDING_MIN: u64 = 20_000;
/// Or so many batches.
const OUTSTANDING_BATCHES: u64 = 200;
/// Or, of large payloads, so many bytes: a backlog is another scenario.
const OUTSTANDING_BYTES: u64 = 64 << 20;

/// One load.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) kind: Kind,
    pub(crate) form: Form,
    /// Masters, and as many workers where there are workers; a connection each.
    pub(crate) pairs: usize,
    pub(crate) payload: usize,
    pub(crate) queues: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// What happens to a job.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Put, leased, completed: counted when the completion is acknowledged.
    Cycle,
    /// Put only.
    Put,
    /// Single jobs at moments that do not depend on the server: one cycle each.
    Latency {
        /// Jobs a second, of all masters together.
        rate: u64,
    },
}

/// How jobs travel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Form {
    /// One job for each call, and each call waits for its answer.
    Call,
    /// One job for each message, so many on their way: streams, or pipelining.
    Stream(usize),
    /// So many jobs for each message, in the system's own way to do many at once.
    Batch(usize),
}

impl Form {
    /// Jobs in one message.
    pub(crate) fn batch(self) -> usize {
        match self {
            Self::Call | Self::Stream(_) => 1,
            Self::Batch(jobs) => jobs,
        }
    }
}

impl Load {
    pub(crate) fn outstanding(&self) -> u64 {
        let jobs = match self.form {
            Form::Call => OUTSTANDING_CALLS,
            Form::Stream(_) => OUTSTANDING_MIN,
            Form::Batch(jobs) => (jobs as u64 * OUTSTANDING_BATCHES).max(OUTSTANDING_MIN),
        };
        // A batch of each master, or they would only wait for each other.
        let least = self.form.batch() * self.pairs;
        jobs.min(OUTSTANDING_BYTES / self.payload.max(1) as u64)
            .max(least as u64)
    }

    /// What the table calls it.
    pub(crate) fn name(&self) -> String {
        let form = match self.form {
            Form::Call => "a call per job".to_owned(),
            Form::Stream(depth) => format!("one job per message, {depth} in flight"),
            Form::Batch(jobs) => format!("batches of {jobs}"),
        };
        let pairs = self.pairs;
        let kind = match self.kind {
            Kind::Cycle => format!("life cycle, {form}, {pairs}/{pairs}"),
            Kind::Put => format!("put only, {form}, {pairs} masters"),
            Kind::Latency { rate } => format!("latency at {rate}/s, {pairs}/{pairs}"),
        };
        let queues = match self.queues {
            1 => String::new(),
            queues => format!(", {queues} queues"),
        };
        format!("{kind}, {} B{queues}", self.payload)
    }
}
