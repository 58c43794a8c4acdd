//! `leaseq.v1.Settlement` and `leaseq.v1.Complete`: what generated code would have, but measured
//! and written without a comparison of texts. Most settlements are completions without a result,
//! up to a thousand in a request.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message, Oneof};

use crate::field::{self, inside};
use crate::v1::{Fail, Reject, Release};

const LEASE_TOKEN: u32 = 1;
const RESULT: u32 = 1;

/// One verdict on one leased job.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Settlement {
    /// The token from the LeasedJob.
    pub lease_token: Bytes,
    /// What happened. The same verdict sent again is answered OK.
    pub verdict: Option<Verdict>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub enum Verdict {
    /// The job is done.
    #[prost(message, tag = "2")]
    Complete(Complete),
    /// The attempt failed; the job is retried or, after its last attempt, dead.
    #[prost(message, tag = "3")]
    Fail(Fail),
    /// The job can never succeed; it is dead now.
    #[prost(message, tag = "4")]
    Reject(Reject),
    /// The worker gives the job back; the attempt is not counted.
    #[prost(message, tag = "5")]
    Release(Release),
}

/// The job is done.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Complete {
    /// Opaque bytes for whoever waits for the outcome. At most the server's `payload_bytes_max`.
    pub result: Bytes,
}

impl Message for Settlement {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        field::encode(LEASE_TOKEN, &self.lease_token, buf);
        if let Some(verdict) = &self.verdict {
            verdict.encode(buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        const NAME: &str = "Settlement";
        match tag {
            LEASE_TOKEN => {
                let merged = encoding::bytes::merge(wire_type, &mut self.lease_token, buf, ctx);
                inside(merged, NAME, "lease_token")
            }
            // The tags of `Verdict`.
            2..=5 => {
                let merged = Verdict::merge(&mut self.verdict, tag, wire_type, buf, ctx);
                inside(merged, NAME, "verdict")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let verdict = self.verdict.as_ref().map_or(0, Verdict::encoded_len);
        field::encoded_len(LEASE_TOKEN, &self.lease_token) + verdict
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Complete {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        field::encode(RESULT, &self.result, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            RESULT => {
                let merged = encoding::bytes::merge(wire_type, &mut self.result, buf, ctx);
                inside(merged, "Complete", "result")
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        field::encoded_len(RESULT, &self.result)
    }

    fn clear(&mut self) {
        self.result.clear();
    }
}
