//! The headers of a job as bytes: protobuf, like the request they came in, the keys in order so
//! that equal headers are equal bytes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use prost::Message;
use tracing::error;

/// What is stored.
#[derive(Clone, PartialEq, Message)]
struct Sorted {
    #[prost(btree_map = "string, string", tag = "1")]
    headers: BTreeMap<String, String>,
}

/// The same bytes, read into what the API wants.
#[derive(Clone, PartialEq, Message)]
struct Unsorted {
    #[prost(map = "string, string", tag = "1")]
    headers: HashMap<String, String>,
}

/// The bytes of `headers`; none for none.
pub(crate) fn encode(headers: HashMap<String, String>) -> Bytes {
    if headers.is_empty() {
        return Bytes::new();
    }
    let headers = headers.into_iter().collect();
    Sorted { headers }.encode_to_vec().into()
}

/// The headers in `bytes`.
pub(crate) fn decode(bytes: Bytes) -> HashMap<String, String> {
    if bytes.is_empty() {
        return HashMap::new();
    }
    match Unsorted::decode(bytes) {
        Ok(unsorted) => unsorted.headers,
        Err(problem) => {
            // The store's checksums were right, so this was written wrong: a bug. The payload is
            // what the worker needs; it must not be stuck for the sake of its headers.
            error!(%problem, "a job's headers cannot be read; it is delivered without them");
            HashMap::new()
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
            headers in prop::collection::hash_map(".{0,20}", ".{0,20}", 0..20)
        ) {
            prop_assert_eq!(decode(encode(headers.clone())), headers);
        }
    }

    #[test]
    fn no_headers_are_no_bytes() {
        assert!(encode(HashMap::new()).is_empty());
        assert!(decode(Bytes::new()).is_empty());
    }

    #[test]
    fn unreadable_headers_do_not_hold_back_their_job() {
        assert!(decode(Bytes::from_static(&[0xff, 0xff])).is_empty());
    }
}
