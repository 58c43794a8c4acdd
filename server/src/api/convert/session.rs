//! How a session is opened and how much it may hold.

use std::time::Duration;

use leaseq_engine::command::Flow;
use leaseq_engine::id::QueueName;
use leaseq_proto::v1;

use super::settle::lease_duration;
use super::text::{queue_name, worker};
use super::time::duration_up_to;
use super::{count, entries, wide};
use crate::api::fault::{Fault, Invalid};
use crate::auth::Identity;
use crate::config::Limits;

/// How long leases outlive the last sign of life, unless the worker says otherwise.
const LEASE_DURATION: Duration = Duration::from_secs(30);

/// How long leases outlive the stream, unless the worker says otherwise.
const GRACE: Duration = Duration::from_secs(1);

/// The most bytes that a session may hold: then a delivery that is not read yet leaves credit for
/// the other calls of its connection.
fn flow_bytes_max(limits: &Limits) -> u64 {
    wide(limits.unread_bytes_per_connection_max / 2)
}

/// How a worker wants its session, without the tokens it holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Opening {
    /// The queues to lease from, without doubles.
    pub(crate) queues: Vec<QueueName>,
    /// The worker's name.
    pub(crate) worker: Box<str>,
    /// How much it may hold.
    pub(crate) flow: Flow,
    /// How long leases outlive the last sign of life.
    pub(crate) lease_duration: Duration,
    /// How long leases outlive the stream.
    pub(crate) grace: Duration,
}

/// What `open` says; `held` is how many tokens came with it.
///
/// # Errors
/// The first field that may not be as it is, or a queue out of the caller's scope.
pub(crate) fn opening(
    wire: v1::Open,
    held: usize,
    limits: &Limits,
    identity: &Identity,
) -> Result<Opening, Fault> {
    let flow = match wire.flow {
        None => Flow {
            jobs_max: 1,
            bytes_max: flow_bytes_max(limits),
        },
        Some(wire) => flow(wire, limits).map_err(|invalid| invalid.inside("flow"))?,
    };
    let lease_duration = lease_duration(wire.lease_duration.as_ref(), limits)?;
    let grace = match &wire.grace {
        None => GRACE,
        Some(wire) => duration_up_to("grace", wire, limits.grace_max)?,
    };
    held_tokens(held, limits)?;
    Ok(Opening {
        queues: queues(&wire.queues, limits, identity)?,
        worker: worker("worker", wire.worker)?,
        flow,
        lease_duration: lease_duration.unwrap_or(LEASE_DURATION),
        grace,
    })
}

fn queues(wire: &[String], limits: &Limits, identity: &Identity) -> Result<Vec<QueueName>, Fault> {
    entries("queues", wire.len(), limits.queues_per_session_max)?;
    let mut queues: Vec<QueueName> = Vec::with_capacity(wire.len());
    for (index, name) in wire.iter().enumerate() {
        let queue = queue_name(&format!("queues[{index}]"), name)?;
        if !identity.permits(&queue) {
            return Err(Fault::not_permitted(&queue));
        }
        if !queues.contains(&queue) {
            queues.push(queue);
        }
    }
    Ok(queues)
}

/// A worker cannot hold more than it may be given.
fn held_tokens(held: usize, limits: &Limits) -> Result<(), Invalid> {
    let max = limits.flow_jobs_max;
    if held > max {
        let problem = format!("has {held} entries; at most {max} are allowed");
        return Err(Invalid::new("held_tokens", problem));
    }
    Ok(())
}

/// How much a session may hold.
///
/// # Errors
/// When it is more than the server allows.
pub(crate) fn flow(wire: v1::Flow, limits: &Limits) -> Result<Flow, Invalid> {
    let (jobs_max, max) = (count(wire.max_jobs), limits.flow_jobs_max);
    if jobs_max > max {
        let problem = format!("is {jobs_max}; at most {max} are allowed");
        return Err(Invalid::new("max_jobs", problem));
    }
    Ok(Flow {
        jobs_max,
        bytes_max: match wire.max_bytes {
            0 => flow_bytes_max(limits),
            bytes => bytes.min(flow_bytes_max(limits)),
        },
    })
}
