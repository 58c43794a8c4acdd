//! One example of each record that is read and no longer written.

use leaseq_engine::id::{JobSeq, QueueId};
use leaseq_engine::transition::{PutJobs, Transition};

use super::{put_time, request_id, restated};
use crate::record::{EARLIER, Reader, decode};

/// `transition` is read from `bytes`, as an earlier version wrote it.
fn check_earlier(bytes: &str, transition: &Transition) -> u8 {
    let hex: Vec<u8> = bytes.bytes().filter(|byte| *byte != b' ').collect();
    let digits = hex.chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    let bytes: Vec<u8> = digits
        .map(|two| u8::from_str_radix(two, 16).unwrap())
        .collect();
    let mut reader = Reader::new(&bytes);
    assert_eq!(decode(&mut reader).as_ref(), Ok(transition));
    assert!(reader.is_empty());
    bytes[0]
}

#[test]
fn every_record_of_earlier_versions_is_read() {
    let put = Transition::PutRemembered {
        request_id: request_id(),
        first: JobSeq(1000),
        count: 100,
        jobs: PutJobs::Size {
            queue: QueueId(1),
            size: 12_800,
        },
        put_time: put_time(),
    };
    let tags = [
        check_earlier(
            "07 1c 00112233445566778899aabbccddeeff 01 e807 64 8064 80b883a1f732",
            &put,
        ),
        check_earlier(
            "12 40 e807 01 80b883a1f732 00 8001 01 02 6e6f 01 03 776879 01 \
                 0000000f4240700080000000001c0003 02 696e 02 02 6e6f 02 03 d00f \
                 80b883a1f732 1e00 b0a285a1f732 01",
            &Transition::JobRestated(Box::new(restated(false))),
        ),
    ];
    let known: Vec<u8> = EARLIER.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, known[..], "each record has one example");
}
