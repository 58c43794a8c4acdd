//! `leaseq.v1.ItemStatus` with nothing but a number in it when all is well, which is the usual
//! answer to each of a thousand settlements.

use std::hash::{Hash, Hasher};

use bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, int32, skip_field};
use prost::{DecodeError, Message};

use crate::field::inside;

const NAME: &str = "ItemStatus";
const CODE: u32 = 1;

/// The status of one entry of a call that carries many; an empty message is OK.
#[derive(Clone, Debug, Default)]
pub struct ItemStatus {
    /// A google.rpc.Code; 0 is OK.
    pub code: i32,
    /// `None` when OK.
    why: Option<Box<Why>>,
}

/// The other fields of `leaseq.v1.ItemStatus`.
#[derive(Clone, PartialEq, Message)]
struct Why {
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(string, tag = "3")]
    message: String,
}

impl ItemStatus {
    /// A status that is not OK.
    pub fn new(code: i32, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let (reason, message) = (reason.into(), message.into());
        Self {
            code,
            why: Some(Box::new(Why { reason, message })),
        }
    }

    /// The stable machine-readable reason: the name of an ErrorReason without its prefix. Empty
    /// when OK.
    pub fn reason(&self) -> &str {
        self.why.as_ref().map_or("", |why| &why.reason)
    }

    /// One sentence for people. Empty when OK.
    pub fn message(&self) -> &str {
        self.why.as_ref().map_or("", |why| &why.message)
    }

    /// What counts: no texts and empty texts are the same.
    fn parts(&self) -> (i32, &str, &str) {
        (self.code, self.reason(), self.message())
    }
}

impl PartialEq for ItemStatus {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ItemStatus {}

impl Hash for ItemStatus {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Message for ItemStatus {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if self.code != 0 {
            int32::encode(CODE, &self.code, buf);
        }
        if let Some(why) = &self.why {
            why.encode_raw(buf);
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
            CODE => inside(
                int32::merge(wire_type, &mut self.code, buf, ctx),
                NAME,
                "code",
            ),
            // The tags of `Why`.
            2..=3 => {
                let why = self.why.get_or_insert_default();
                why.merge_field(tag, wire_type, buf, ctx)
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let code = match self.code {
            0 => 0,
            _ => int32::encoded_len(CODE, &self.code),
        };
        code + self.why.as_ref().map_or(0, |why| why.encoded_len())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
