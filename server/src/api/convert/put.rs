//! The jobs of a Put.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::command::NewJob;
use leaseq_engine::id::QueueName;
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_proto::v1;
use leaseq_proto::v1::new_job::Start;

use super::text::queue_name;
use super::time::{DELAY_MAX, KEEP_MAX, duration_up_to, time};
use super::{entries, retry};
use crate::api::fault::{Fault, Invalid};
use crate::api::headers;
use crate::auth::Identity;
use crate::config::Limits;
use crate::shard::WallOffset;

/// How far a priority goes up and down.
const PRIORITY_MAX: i32 = 1_000;

/// The most headers of a job.
const HEADERS_MAX: usize = 64;

/// The most bytes of a job's headers.
const HEADERS_BYTES_MAX: usize = 16 << 10;

/// The most attempts of a job.
pub(crate) const ATTEMPTS_MAX: u32 = 1_000;

/// What the jobs of one Put are read with.
pub(crate) struct Reader<'a> {
    /// The limits of the server.
    pub(crate) limits: &'a Limits,
    /// Who puts.
    pub(crate) identity: &'a Identity,
    /// The time that delays count from.
    pub(crate) now: Time,
    /// What turns a `ready_time` into the server's time.
    pub(crate) offset: WallOffset,
}

impl Reader<'_> {
    /// The jobs of a Put.
    ///
    /// # Errors
    /// The first field that may not be as it is, or a `reply_to` out of the caller's scope.
    pub(crate) fn jobs(&self, wire: Vec<v1::NewJob>) -> Result<Vec<NewJob>, Fault> {
        entries("jobs", wire.len(), self.limits.batch_jobs_max)?;
        let mut jobs = Vec::with_capacity(wire.len());
        // Jobs put together usually answer to the same queue: it is checked once.
        let mut reply_to = None;
        for (index, new) in wire.into_iter().enumerate() {
            let job = self.job(new, &mut reply_to).map_err(|fault| match fault {
                Fault::Invalid(invalid) => invalid.inside_entry("jobs", index).into(),
                other => other,
            });
            jobs.push(job?);
        }
        Ok(jobs)
    }

    /// One job; `reply_to` is the queue that the last one answers to.
    fn job(&self, new: v1::NewJob, reply_to: &mut Option<QueueName>) -> Result<NewJob, Fault> {
        let (bytes, max) = (new.payload.len(), self.limits.payload_bytes_max);
        if bytes > max {
            return Err(Invalid::too_large("payload", bytes, "limits.payload_bytes", max).into());
        }
        // Most jobs are a payload and nothing else, and cost nothing else.
        let Some(options) = new.options else {
            return Ok(NewJob::plain(Content {
                payload: new.payload,
                ..Content::default()
            }));
        };
        let same = match &*reply_to {
            None => options.reply_to.is_empty(),
            Some(queue) => queue.as_str() == options.reply_to,
        };
        if !same {
            *reply_to = self.reply_to(&options.reply_to)?;
        }
        Ok(self.job_with(new.payload, *options, reply_to.clone())?)
    }

    fn reply_to(&self, name: &str) -> Result<Option<QueueName>, Fault> {
        if name.is_empty() {
            return Ok(None);
        }
        let queue = queue_name("reply_to", name)?;
        if !self.identity.permits(&queue) {
            return Err(Fault::not_permitted(&queue));
        }
        Ok(Some(queue))
    }

    fn job_with(
        &self,
        payload: Bytes,
        options: v1::JobOptions,
        reply_to: Option<QueueName>,
    ) -> Result<NewJob, Invalid> {
        if options.priority.unsigned_abs() > PRIORITY_MAX.unsigned_abs() {
            let problem = format!("is {}; it goes from -1000 to 1000", options.priority);
            return Err(Invalid::new("priority", problem));
        }
        Ok(NewJob {
            content: Content {
                headers: self.headers(options.headers)?,
                payload,
            },
            priority: options.priority,
            ready_time: self.ready_time(options.start)?,
            max_attempts: max_attempts(options.max_attempts)?,
            retry: match &options.retry {
                None => None,
                Some(wire) => Some(retry::policy(wire).map_err(|i| i.inside("retry"))?),
            },
            reply_to,
            run_time_max: run_time(options.max_run_time)?,
            result_retention: match &options.result_retention {
                None => None,
                Some(wire) => Some(duration_up_to("result_retention", wire, KEEP_MAX)?),
            },
        })
    }

    fn headers(&self, headers: BTreeMap<String, String>) -> Result<Bytes, Invalid> {
        if headers.is_empty() {
            return Ok(Bytes::new());
        }
        let max = HEADERS_MAX;
        if headers.len() > max {
            let problem = format!("has {} entries; at most {max} are allowed", headers.len());
            return Err(Invalid::new("headers", problem));
        }
        let bytes: usize = headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > HEADERS_BYTES_MAX {
            let problem = format!("has {bytes} bytes; at most {HEADERS_BYTES_MAX} are allowed");
            return Err(Invalid::new("headers", problem));
        }
        Ok(headers::encode(headers))
    }

    /// When a job becomes ready; `None`: at once, which is also what a moment in the past means.
    fn ready_time(&self, start: Option<Start>) -> Result<Option<Time>, Invalid> {
        let ready_time = match start {
            None => return Ok(None),
            Some(Start::Delay(wire)) => self.now.after(duration_up_to("delay", &wire, DELAY_MAX)?),
            Some(Start::ReadyTime(wire)) => time("ready_time", &wire, self.offset)?,
        };
        if ready_time > self.now.after(DELAY_MAX) {
            return Err(Invalid::new("ready_time", "is more than 365 days ahead"));
        }
        Ok((ready_time > self.now).then_some(ready_time))
    }
}

/// How often a job may be leased; `None`: as the queue says.
///
/// # Errors
/// When it is too often.
pub(crate) fn max_attempts(wire: u32) -> Result<Option<u32>, Invalid> {
    if wire > ATTEMPTS_MAX {
        let problem = format!("is {wire}; at most {ATTEMPTS_MAX} are allowed");
        return Err(Invalid::new("max_attempts", problem));
    }
    Ok((wire > 0).then_some(wire))
}

fn run_time(wire: Option<prost_types::Duration>) -> Result<Option<Duration>, Invalid> {
    let Some(wire) = wire else {
        return Ok(None);
    };
    let run_time = duration_up_to("max_run_time", &wire, KEEP_MAX)?;
    if run_time.is_zero() {
        return Err(Invalid::new(
            "max_run_time",
            "is zero; leave it unset for no limit",
        ));
    }
    Ok(Some(run_time))
}

#[cfg(test)]
mod tests;
