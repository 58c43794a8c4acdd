//! `leaseq.v1.Deliver` and `leaseq.v1.GetResponse` with their jobs still encoded: what a server
//! sends and workers receive a million times a second.
//!
//! On the wire they are what the `.proto` file says; in memory each job is the bytes of a
//! `LeasedJob`. So a server writes jobs straight from what it holds, instead of building a
//! `LeasedJob` with allocations of its own only to have it encoded, and a worker reads of each as
//! much as it needs.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType, message, skip_field, string};
use prost::{DecodeError, Message};
use prost_types::Timestamp;

use crate::field::{self, inside};
use crate::v1::LeasedJob;

/// Jobs for the worker, all of one queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Deliver {
    /// The queue.
    pub queue: String,
    /// The jobs, each an encoded [`LeasedJob`].
    pub jobs: Vec<Bytes>,
    /// When the leases end if nothing more is heard from the session.
    pub expire_time: Option<Timestamp>,
}

/// The jobs that a Get leased; none: nothing was ready in time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GetResponse {
    /// The jobs, each an encoded [`LeasedJob`].
    pub jobs: Vec<Bytes>,
    /// When the leases end unless they are extended.
    pub expire_time: Option<Timestamp>,
}

impl Deliver {
    /// The jobs, decoded.
    ///
    /// # Errors
    /// When one of them is not a `LeasedJob`.
    pub fn leased_jobs(self) -> Result<Vec<LeasedJob>, DecodeError> {
        self.jobs.into_iter().map(LeasedJob::decode).collect()
    }
}

impl GetResponse {
    /// The jobs, decoded.
    ///
    /// # Errors
    /// When one of them is not a `LeasedJob`.
    pub fn leased_jobs(self) -> Result<Vec<LeasedJob>, DecodeError> {
        self.jobs.into_iter().map(LeasedJob::decode).collect()
    }
}

impl Message for Deliver {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        field::encode(1, self.queue.as_bytes(), buf);
        encode_jobs(2, &self.jobs, buf);
        encode_time(3, self.expire_time.as_ref(), buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        const NAME: &str = "Deliver";
        match tag {
            1 => {
                let merged = string::merge(wire_type, &mut self.queue, buf, ctx);
                inside(merged, NAME, "queue")
            }
            2 => {
                let merged = encoding::bytes::merge_repeated(wire_type, &mut self.jobs, buf, ctx);
                inside(merged, NAME, "jobs")
            }
            3 => {
                let time = self.expire_time.get_or_insert_default();
                let merged = message::merge(wire_type, time, buf, ctx);
                inside(merged, NAME, "expire_time")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        field::encoded_len(1, self.queue.as_bytes())
            + jobs_len(2, &self.jobs)
            + time_len(3, self.expire_time.as_ref())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for GetResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encode_jobs(1, &self.jobs, buf);
        encode_time(2, self.expire_time.as_ref(), buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        const NAME: &str = "GetResponse";
        match tag {
            1 => {
                let merged = encoding::bytes::merge_repeated(wire_type, &mut self.jobs, buf, ctx);
                inside(merged, NAME, "jobs")
            }
            2 => {
                let time = self.expire_time.get_or_insert_default();
                let merged = message::merge(wire_type, time, buf, ctx);
                inside(merged, NAME, "expire_time")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        jobs_len(1, &self.jobs) + time_len(2, self.expire_time.as_ref())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Copies the jobs; generated code would count one more owner of each before.
fn encode_jobs(tag: u32, jobs: &[Bytes], buf: &mut impl BufMut) {
    jobs.iter()
        .for_each(|job| field::encode_entry(tag, job, buf));
}

fn jobs_len(tag: u32, jobs: &[Bytes]) -> usize {
    jobs.iter()
        .map(|job| field::entry_len(tag, job.len()))
        .sum()
}

fn encode_time(tag: u32, time: Option<&Timestamp>, buf: &mut impl BufMut) {
    if let Some(time) = time {
        message::encode(tag, time, buf);
    }
}

fn time_len(tag: u32, time: Option<&Timestamp>) -> usize {
    time.map_or(0, |time| message::encoded_len(tag, time))
}
