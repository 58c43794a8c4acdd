//! The messages that are written by hand, as prost derives them from the `.proto` files.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use prost_types::{Duration, Timestamp};

use crate::v1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct NewJob {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) payload: Bytes,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) headers: BTreeMap<String, String>,
    #[prost(int32, tag = "3")]
    pub(super) priority: i32,
    #[prost(oneof = "v1::new_job::Start", tags = "4, 5")]
    pub(super) start: Option<v1::new_job::Start>,
    #[prost(uint32, tag = "6")]
    pub(super) max_attempts: u32,
    #[prost(message, optional, tag = "7")]
    pub(super) retry: Option<v1::RetryPolicy>,
    #[prost(string, tag = "8")]
    pub(super) reply_to: String,
    #[prost(message, optional, tag = "9")]
    pub(super) max_run_time: Option<Duration>,
    #[prost(message, optional, tag = "10")]
    pub(super) result_retention: Option<Duration>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ItemStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) reason: String,
    #[prost(string, tag = "3")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Settlement {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) lease_token: Bytes,
    #[prost(oneof = "Verdict", tags = "2, 3, 4, 5")]
    pub(super) verdict: Option<Verdict>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Verdict {
    #[prost(message, tag = "2")]
    Complete(Complete),
    #[prost(message, tag = "3")]
    Fail(v1::Fail),
    #[prost(message, tag = "4")]
    Reject(v1::Reject),
    #[prost(message, tag = "5")]
    Release(v1::Release),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Complete {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) result: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) job_ids: Vec<String>,
    #[prost(bool, tag = "2")]
    pub(super) deduplicated: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutStreamResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) job_ids: Vec<String>,
    #[prost(bool, tag = "2")]
    pub(super) deduplicated: bool,
    #[prost(message, optional, tag = "3")]
    pub(super) status: Option<ItemStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Deliver {
    #[prost(string, tag = "1")]
    pub(super) queue: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) jobs: Vec<Bytes>,
    #[prost(message, optional, tag = "3")]
    pub(super) expire_time: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetResponse {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) jobs: Vec<Bytes>,
    #[prost(message, optional, tag = "2")]
    pub(super) expire_time: Option<Timestamp>,
}
