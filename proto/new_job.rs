//! `leaseq.v1.NewJob` with its payload at hand and everything else out of the way: most jobs have
//! nothing else, and there are up to a thousand in a request.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message, Oneof};
use prost_types::{Duration, Timestamp};

use crate::field::{self, inside};
use crate::v1::RetryPolicy;

const NAME: &str = "NewJob";
const PAYLOAD: u32 = 1;

/// A job as a master puts it. Only `payload` is usual; everything else has a default of the queue.
#[derive(Clone, Debug, Default)]
pub struct NewJob {
    /// What the worker gets: opaque bytes, never looked at by the server. At most the server's
    /// `payload_bytes_max` (default 1 MiB).
    pub payload: Bytes,
    /// Everything else; `None`: all of it at its defaults.
    pub options: Option<Box<JobOptions>>,
}

/// What a job may be told beside its payload: the other fields of `leaseq.v1.NewJob`.
#[derive(Clone, PartialEq, Message)]
pub struct JobOptions {
    /// Small text values that travel with the job: a content type, a trace context. At most 64
    /// entries and 16 KiB in all.
    #[prost(btree_map = "string, string", tag = "2")]
    pub headers: BTreeMap<String, String>,
    /// Higher is leased first; equal priorities go in put order. -1000 to 1000.
    #[prost(int32, tag = "3")]
    pub priority: i32,
    /// When the job becomes ready. Unset: at once.
    #[prost(oneof = "Start", tags = "4, 5")]
    pub start: Option<Start>,
    /// How often the job may be leased before a failure makes it dead. 0: the queue's
    /// `max_attempts`. At most 1000.
    #[prost(uint32, tag = "6")]
    pub max_attempts: u32,
    /// The waits between attempts. Unset: the queue's `retry`.
    #[prost(message, optional, tag = "7")]
    pub retry: Option<RetryPolicy>,
    /// The name of a queue that gets an outcome job, in the same commit, when this job is
    /// completed, dead or cancelled. Empty: none.
    #[prost(string, tag = "8")]
    pub reply_to: String,
    /// The longest one attempt may run, whatever the worker's liveness. When it has passed, the
    /// lease expires and the attempt counts as failed. Unset: no limit. At most 30 days.
    #[prost(message, optional, tag = "9")]
    pub max_run_time: Option<Duration>,
    /// How long the job and its result can still be read by GetJob and WaitJob after it has been
    /// completed or cancelled. Unset: the queue's `result_retention`.
    #[prost(message, optional, tag = "10")]
    pub result_retention: Option<Duration>,
}

/// When a job becomes ready.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Oneof)]
pub enum Start {
    /// Not before this much time has passed since the Put. At most 365 days.
    #[prost(message, tag = "4")]
    Delay(Duration),
    /// Not before this moment. In the past: at once. At most 365 days ahead.
    #[prost(message, tag = "5")]
    ReadyTime(Timestamp),
}

impl NewJob {
    /// A job with this payload and every default.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self {
            payload: payload.into(),
            options: None,
        }
    }

    /// The same job, told this.
    #[must_use]
    pub fn with(mut self, options: JobOptions) -> Self {
        self.options = Some(Box::new(options));
        self
    }

    /// What the job is told, to be changed.
    pub fn options_mut(&mut self) -> &mut JobOptions {
        self.options.get_or_insert_default()
    }
}

impl PartialEq for NewJob {
    fn eq(&self, other: &Self) -> bool {
        // Options that are all at their defaults are the same as none.
        let same = match (&self.options, &other.options) {
            (None, None) => true,
            (Some(left), Some(right)) => left == right,
            (Some(some), None) | (None, Some(some)) => **some == JobOptions::default(),
        };
        same && self.payload == other.payload
    }
}

impl Message for NewJob {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        field::encode(PAYLOAD, &self.payload, buf);
        if let Some(options) = &self.options {
            options.encode_raw(buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            PAYLOAD => {
                let merged = encoding::bytes::merge(wire_type, &mut self.payload, buf, ctx);
                inside(merged, NAME, "payload")
            }
            // The tags of `JobOptions`. What is not known allocates nothing.
            2..=10 => self.options_mut().merge_field(tag, wire_type, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let options = self.options.as_ref();
        field::encoded_len(PAYLOAD, &self.payload) + options.map_or(0, |it| it.encoded_len())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
