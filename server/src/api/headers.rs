//! The headers of a job as bytes: protobuf, like the request they came in, the keys in order so
//! that equal headers are equal bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use tracing::error;

/// What is stored.
#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(btree_map = "string, string", tag = "1")]
    headers: BTreeMap<String, String>,
}

/// The bytes of `headers`; none for none.
pub(crate) fn encode(headers: BTreeMap<String, String>) -> Bytes {
    if headers.is_empty() {
        return Bytes::new();
    }
    Stored { headers }.encode_to_vec().into()
}

/// The headers in `bytes`.
pub(crate) fn decode(bytes: Bytes) -> BTreeMap<String, String> {
    if bytes.is_empty() {
        return BTreeMap::new();
    }
    match Stored::decode(bytes) {
        Ok(stored) => stored.headers,
        Err(problem) => {
            // The store's checksums were right, so this was written wrong: a bug. The payload is
            // what the worker needs; it must not be stuck for the sake of its headers.
            error!(%problem, "a job's headers cannot be read; it is delivered without them");
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(
            headers in prop::collection::btree_map(".{0,20}", ".{0,20}", 0..20)
        ) {
            prop_assert_eq!(decode(encode(headers.clone())), headers);
        }
    }

    #[test]
    fn no_headers_are_no_bytes() {
        assert!(encode(BTreeMap::new()).is_empty());
        assert!(decode(Bytes::new()).is_empty());
    }

    #[test]
    fn unreadable_headers_do_not_hold_back_their_job() {
        assert!(decode(Bytes::from_static(&[0xff, 0xff])).is_empty());
    }
}
