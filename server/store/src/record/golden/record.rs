//! One example of each record.

mod earlier;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{
    JobId, JobSeq, JobsHash, LeaseNumber, LeaseRef, NamespaceTag, QueueId, RequestId,
};
use leaseq_engine::settings::QueueSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{
    Content, End, Holder, JobRestated, Outcome, PutJobs, Requeue, Sizes, Status, Transition,
    VerdictKind,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::{check_bytes, name, usual, usual_retry};
use crate::record::arbitrary::{transition, without_contents};
use crate::record::{EARLIER, RECORDS, Reader, decode, encode};

/// The tag of a transition, said a second time: a new variant does not compile
/// before it is here, and the tests below then ask for its example.
fn tag(transition: &Transition) -> u8 {
    match transition {
        Transition::NamespaceCreated { .. } => 1,
        Transition::Stalled { .. } => 2,
        Transition::QueueSet { .. } => 3,
        Transition::QueueDeleted { .. } => 4,
        Transition::JobsAdded { .. } => 5,
        Transition::OutcomeAdded { .. } => 6,
        Transition::PutRemembered { .. } => 24,
        Transition::LeasesGranted { .. } => 8,
        Transition::LeaseExtended { .. } => 9,
        Transition::JobsCompleted { .. } => 10,
        Transition::JobEnded { .. } => 11,
        Transition::JobRequeued { .. } => 12,
        Transition::JobsRequeued { .. } => 22,
        Transition::JobsReady { .. } => 13,
        Transition::CancelRequested { .. } => 14,
        Transition::JobsRemoved { .. } => 15,
        Transition::JobsRestated { .. } => 16,
        Transition::CountersRestated { .. } => 17,
        Transition::JobRestated(_) => 26,
        Transition::ContentLost { .. } => 20,
        Transition::ClocksRead { .. } => 27,
    }
}

/// `transition` is written as `expected` and
/// read back from it.
fn check(transition: Transition, expected: &str) -> u8 {
    let mut bytes = Vec::new();
    encode(&transition, &mut bytes);
    check_bytes(&bytes, expected, &transition);
    let tag = tag(&transition);
    assert_eq!(bytes.first(), Some(&tag));
    let mut reader = Reader::new(&bytes);
    assert_eq!(decode(&mut reader), Ok(without_contents(transition)));
    assert!(reader.is_empty());
    tag
}

fn outcome() -> Outcome {
    Outcome {
        job: JobId::new(
            JobSeq(7),
            Time::from_millis(1_000_000),
            NamespaceTag::new(3),
        ),
        queue: name("in"),
        end: End::Dead,
        error: "no".into(),
        attempts: 2,
    }
}

/// Ten jobs in two runs, the second one before the first.
fn two_runs() -> Vec<JobSeq> {
    (100..107).chain(50..53).map(JobSeq).collect()
}

fn put_time() -> Time {
    Time::from_millis(1_750_000_000_000)
}

fn namespace_and_queues() -> [u8; 6] {
    [
        check(
            Transition::NamespaceCreated {
                tag: NamespaceTag::new(0x3_ffff),
                token_key: *b"0123456789abcdef",
            },
            "01 13 ffff0f 30313233343536373839616263646566",
        ),
        check(
            Transition::Stalled {
                by: Duration::new(3, 5),
            },
            "02 02 0305",
        ),
        check(
            Transition::ClocksRead {
                time: Time::from_millis(300),
                wall: Time::from_millis(301),
                running: Duration::new(3, 5),
                boot: *b"0123456789abcdef",
            },
            "1b 16 ac02 ad02 0305 30313233343536373839616263646566",
        ),
        check(
            Transition::QueueSet {
                queue: QueueId(1),
                name: name("mail-1.in_A"),
                settings: QueueSettings {
                    lease_duration: Duration::from_secs(30),
                    max_attempts: 20,
                    retry: usual_retry(),
                    jobs_max: Some(1_000_000),
                    result_retention: Duration::from_millis(1_500),
                },
                paused: true,
                revision: 4,
                create_time: put_time(),
            },
            "03 2a 01 0b 6d61696c2d312e696e5f41 1e00 14 0100 901c00 c801 14 01 c0843d \
                 0180cab5ee01 01 04 80b883a1f732",
        ),
        check(
            Transition::QueueDeleted {
                queue: QueueId(300),
            },
            "04 02 ac02",
        ),
        check(
            Transition::CountersRestated {
                next_job: JobSeq(1001),
                next_lease: LeaseNumber(2002),
                next_queue: QueueId(3),
            },
            "11 05 e907 d20f 03",
        ),
    ]
}

fn puts() -> [u8; 4] {
    let content = Content {
        headers: Bytes::new(),
        payload: Bytes::from(vec![7; 128]),
    };
    [
        check(
            Transition::JobsAdded {
                first: JobSeq(1000),
                queue: QueueId(1),
                put_time: put_time(),
                settings: usual(),
                sizes: Sizes::Uniform {
                    count: 100,
                    size: 128,
                },
                contents: vec![content.clone(); 100],
            },
            "05 0e e807 01 80b883a1f732 00 01 64 8001",
        ),
        check(
            Transition::OutcomeAdded {
                job: JobSeq(1100),
                queue: QueueId(2),
                put_time: put_time(),
                settings: usual(),
                outcome: outcome(),
                size: 128,
                content,
            },
            "06 24 cc08 02 80b883a1f732 00 0000000f4240700080000000001c0003 02 696e 02 \
                 02 6e6f 02 8001",
        ),
        check(
            Transition::PutRemembered {
                request_id: request_id(),
                first: JobSeq(1000),
                count: 100,
                jobs: PutJobs::Hash(JobsHash(*b"fedcba9876543210")),
                put_time: put_time(),
            },
            "18 2a 00112233445566778899aabbccddeeff e807 64 \
                 01 66656463626139383736353433323130 80b883a1f732",
        ),
        check(
            Transition::JobsRestated {
                first: JobSeq(1000),
                queue: QueueId(1),
                put_time: put_time(),
                settings: usual(),
                sizes: Sizes::Each([5, 300, 0].into()),
            },
            "10 10 e807 01 80b883a1f732 00 02 03 05 ac02 00",
        ),
    ]
}

fn leases() -> [u8; 4] {
    let lease = LeaseRef {
        job: JobSeq(1000),
        lease: LeaseNumber(2000),
    };
    let next = |place: u64| LeaseRef {
        job: lease.job.plus(place),
        lease: LeaseNumber(lease.lease.0 + place),
    };
    [
        check(
            Transition::LeasesGranted {
                first_lease: LeaseNumber(2000),
                jobs: two_runs(),
                grant_time: put_time(),
                holder: Holder::Session,
                lease_duration: Duration::from_secs(30),
            },
            "08 11 d00f 0a c801 06 71 02 80b883a1f732 02 1e00",
        ),
        check(
            Transition::LeaseExtended {
                lease,
                expire_time: put_time(),
            },
            "09 0a e807 d00f 80b883a1f732",
        ),
        check(
            Transition::JobsCompleted {
                leases: (0..100).chain([200]).map(next).collect(),
            },
            "0a 0b 65 d00f a01f 63 c801 c801 00",
        ),
        check(
            Transition::JobEnded {
                job: JobSeq(1000),
                lease: Some(LeaseNumber(2000)),
                verdict: Some(VerdictKind::Complete),
                end: End::Completed,
                error: "".into(),
                retain_until: Some(put_time()),
                result_size: 3,
                result: Bytes::from_static(b"yes"),
            },
            "0b 11 e807 01 d00f 01 01 01 00 01 80b883a1f732 03",
        ),
    ]
}

fn jobs() -> [u8; 7] {
    let lease = |place: u64| LeaseRef {
        job: JobSeq(1000 + place),
        lease: LeaseNumber(2000 + place),
    };
    [
        check(Transition::ContentLost { job: JobSeq(1001) }, "14 02 e907"),
        check(
            Transition::JobRequeued {
                job: JobSeq(1000),
                lease: Some(LeaseNumber(2000)),
                how: Requeue::Expired,
                attempts: 2,
                ready_time: None,
                error: "späť".into(),
            },
            "0c 0f e807 01 d00f 04 02 00 06 7370c3a4c5a5",
        ),
        check(
            Transition::JobsRequeued {
                leases: vec![lease(0), lease(1)],
                how: Requeue::Expired,
                charged: true,
                error: "späť".into(),
            },
            "16 0f 02 d00f a01f 01 04 01 06 7370c3a4c5a5",
        ),
        check(
            Transition::JobsReady { jobs: two_runs() },
            "0d 06 0a c801 06 71 02",
        ),
        check(
            Transition::CancelRequested {
                job: JobSeq(1000),
                reason: "changed my mind".into(),
            },
            "0e 12 e807 0f 6368616e676564206d79206d696e64",
        ),
        check(
            Transition::JobsRemoved {
                jobs: vec![JobSeq(1)],
            },
            "0f 03 01 02 00",
        ),
        check(
            Transition::JobRestated(Box::new(JobRestated {
                releases: 300,
                unheard: 2,
                ..restated(true)
            })),
            "1a 43 e807 01 80b883a1f732 00 8001 01 ac02 02 02 6e6f 01 03 776879 01 \
                 0000000f4240700080000000001c0003 02 696e 02 02 6e6f 02 05 d00f \
                 80b883a1f732 1e00 b0a285a1f732 01",
        ),
    ]
}

/// The records that are written, in the order of their tags.
fn by_tag() -> Vec<(u8, &'static str)> {
    let mut records = RECORDS.to_vec();
    records.sort_unstable();
    records
}

fn request_id() -> RequestId {
    RequestId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)
}

fn restated(heard: bool) -> JobRestated {
    JobRestated {
        job: JobSeq(1000),
        queue: QueueId(1),
        put_time: put_time(),
        settings: usual(),
        size: 128,
        attempts: 1,
        releases: 0,
        unheard: 0,
        error: "no".into(),
        cancel: Some("why".into()),
        outcome: Some(outcome()),
        status: Status::Leased {
            lease: LeaseNumber(2000),
            grant_time: put_time(),
            lease_duration: Duration::from_secs(30),
            expire_time: put_time().after(Duration::from_secs(30)),
            holder: Holder::Get,
            heard,
        },
    }
}

#[test]
fn every_record_has_the_bytes_it_always_had() {
    let mut tags: Vec<u8> = namespace_and_queues().into();
    tags.extend(puts());
    tags.extend(leases());
    tags.extend(jobs());
    tags.sort_unstable();
    let known: Vec<u8> = by_tag().iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, known, "each record has one example");
}

#[test]
fn the_generator_makes_every_record() {
    let mut runner = TestRunner::deterministic();
    let any = transition();
    let made: BTreeSet<u8> = (0..1_000)
        .map(|_| any.new_tree(&mut runner).expect("a transition").current())
        .map(|transition| tag(&transition))
        .collect();
    let known: BTreeSet<u8> = RECORDS.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(made, known);
}

#[test]
fn the_document_describes_every_record() {
    let document = include_str!("../../../../../docs/STORAGE.md");
    let headings = document
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    let described: Vec<&str> = headings
        .filter(|heading| heading.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    let mut known: Vec<_> = RECORDS.iter().chain(EARLIER).collect();
    known.sort_unstable();
    let known: Vec<String> = known
        .iter()
        .map(|(tag, name)| format!("{tag} {name}"))
        .collect();
    assert_eq!(described, known);
}
