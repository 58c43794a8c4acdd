//! `leaseq.v1.PutResponse` and `leaseq.v1.PutStreamResponse` with the ids in one piece.

use bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, bool, message, skip_field};
use prost::{DecodeError, Message};

use crate::field::inside;
use crate::item_status::ItemStatus;
use crate::job_ids::{self, JobIds};

const DEDUPLICATED: u32 = 2;
const STATUS: u32 = 3;

/// The jobs are durable.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PutResponse {
    /// The ids of the jobs, in the order of the request.
    pub job_ids: JobIds,
    /// Whether this is the answer to an earlier Put with the same `request_id`.
    pub deduplicated: bool,
}

/// The answer to one Put on a stream.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PutStreamResponse {
    /// The ids of the jobs, in the order of the request; empty if refused.
    pub job_ids: JobIds,
    /// Whether this is the answer to an earlier Put with the same `request_id`.
    pub deduplicated: bool,
    /// Why the Put was refused; unset: it was not.
    pub status: Option<ItemStatus>,
}

impl Message for PutResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.job_ids.encode(buf);
        if self.deduplicated {
            bool::encode(DEDUPLICATED, &self.deduplicated, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        const NAME: &str = "PutResponse";
        match tag {
            job_ids::TAG => inside(self.job_ids.merge(wire_type, buf, ctx), NAME, "job_ids"),
            DEDUPLICATED => {
                let merged = bool::merge(wire_type, &mut self.deduplicated, buf, ctx);
                inside(merged, NAME, "deduplicated")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let deduplicated = match self.deduplicated {
            true => bool::encoded_len(DEDUPLICATED, &self.deduplicated),
            false => 0,
        };
        self.job_ids.encoded_len() + deduplicated
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for PutStreamResponse {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.job_ids.encode(buf);
        if self.deduplicated {
            bool::encode(DEDUPLICATED, &self.deduplicated, buf);
        }
        if let Some(status) = &self.status {
            message::encode(STATUS, status, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        const NAME: &str = "PutStreamResponse";
        match tag {
            job_ids::TAG => inside(self.job_ids.merge(wire_type, buf, ctx), NAME, "job_ids"),
            DEDUPLICATED => {
                let merged = bool::merge(wire_type, &mut self.deduplicated, buf, ctx);
                inside(merged, NAME, "deduplicated")
            }
            STATUS => {
                let status = self.status.get_or_insert_default();
                let merged = message::merge(wire_type, status, buf, ctx);
                inside(merged, NAME, "status")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let deduplicated = match self.deduplicated {
            true => bool::encoded_len(DEDUPLICATED, &self.deduplicated),
            false => 0,
        };
        let status = self.status.as_ref();
        let status = status.map_or(0, |status| message::encoded_len(STATUS, status));
        self.job_ids.encoded_len() + deduplicated + status
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
