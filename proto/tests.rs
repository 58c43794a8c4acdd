//! Messages written by hand beside what would be generated: the same bytes, the same messages, and
//! the same mind about which bytes are no message at all.

use std::fmt::Debug;

use bytes::{Buf, Bytes};
use proptest::prelude::*;
use prost::Message;
use prost_types::{Duration, FileDescriptorSet, Timestamp};

use crate::v1;

mod reference;

/// The same message twice: the one by hand is read back from what the other one is written as, and
/// is written as the same.
fn check_same<H, R>(by_hand: &H, reference: &R)
where
    H: Message + Default + PartialEq + Debug,
    R: Message,
{
    let bytes = reference.encode_to_vec();
    assert_eq!(by_hand.encode_to_vec(), bytes);
    assert_eq!(by_hand.encoded_len(), bytes.len());
    assert_eq!(H::decode(bytes.as_slice()).as_ref(), Ok(by_hand));
    let mut cleared = H::decode(bytes.as_slice()).expect("just read");
    cleared.clear();
    assert_eq!(cleared, H::default());
}

/// Whatever these bytes are, they are the same to both, in one piece and in two.
fn check_bytes<H, R>(bytes: &[u8], cut: usize)
where
    H: Message + Default,
    R: Message + Default,
{
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let by_hand = [H::decode(bytes), H::decode(first.chain(second))];
    let expected = R::decode(bytes).map(|reference| reference.encode_to_vec());
    for by_hand in by_hand {
        match (by_hand, &expected) {
            (Ok(by_hand), Ok(expected)) => assert_eq!(&by_hand.encode_to_vec(), expected),
            (Err(_), Err(_)) => {}
            (by_hand, expected) => panic!("{:?} beside {expected:?}", by_hand.map(drop)),
        }
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just(Bytes::new()),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), ".{0,8}", ".{150}"]
}

fn duration() -> impl Strategy<Value = Option<Duration>> {
    let some = (any::<i64>(), any::<i32>());
    prop::option::of(some.prop_map(|(seconds, nanos)| Duration { seconds, nanos }))
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let some = (any::<i64>(), any::<i32>());
    prop::option::of(some.prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

prop_compose! {
    fn new_jobs()(
        payload in bytes(),
        headers in prop::collection::btree_map(text(), text(), 0..3),
        priority in prop_oneof![Just(0), any::<i32>()],
        (delay, moment) in (duration(), time()),
        max_attempts in prop_oneof![Just(0), any::<u32>()],
        (initial_delay, multiplier) in (duration(), prop_oneof![Just(0.0), Just(1.5)]),
        reply_to in text(),
        (max_run_time, result_retention) in (duration(), duration()),
    ) -> reference::NewJob {
        let retry = initial_delay.map(|delay| v1::RetryPolicy {
            initial_delay: Some(delay),
            multiplier,
            ..v1::RetryPolicy::default()
        });
        let start = delay.map(v1::new_job::Start::Delay);
        let start = start.or(moment.map(v1::new_job::Start::ReadyTime));
        reference::NewJob {
            payload, headers, priority, start, max_attempts, retry, reply_to, max_run_time,
            result_retention,
        }
    }
}

prop_compose! {
    fn statuses()(
        code in prop_oneof![Just(0), any::<i32>()],
        reason in text(),
        message in text(),
    ) -> reference::ItemStatus {
        reference::ItemStatus { code, reason, message }
    }
}

fn settlements() -> impl Strategy<Value = reference::Settlement> {
    use reference::Verdict;
    let verdict = prop_oneof![
        bytes().prop_map(|result| Verdict::Complete(reference::Complete { result })),
        (text(), duration())
            .prop_map(|(error, retry_delay)| Verdict::Fail(v1::Fail { error, retry_delay })),
        text().prop_map(|error| Verdict::Reject(v1::Reject { error })),
        duration().prop_map(|delay| Verdict::Release(v1::Release { delay })),
    ];
    (bytes(), prop::option::of(verdict)).prop_map(|(lease_token, verdict)| reference::Settlement {
        lease_token,
        verdict,
    })
}

prop_compose! {
    fn put_answers()(
        job_ids in prop::collection::vec(text(), 0..4),
        deduplicated: bool,
        status in prop::option::of(statuses()),
    ) -> reference::PutStreamResponse {
        reference::PutStreamResponse { job_ids, deduplicated, status }
    }
}

prop_compose! {
    fn deliveries()(
        queue in text(),
        jobs in prop::collection::vec(bytes(), 0..4),
        expire_time in time(),
    ) -> reference::Deliver {
        reference::Deliver { queue, jobs, expire_time }
    }
}

fn new_job(reference: reference::NewJob) -> v1::NewJob {
    v1::NewJob::new(reference.payload).with(v1::JobOptions {
        headers: reference.headers,
        priority: reference.priority,
        start: reference.start,
        max_attempts: reference.max_attempts,
        retry: reference.retry,
        reply_to: reference.reply_to,
        max_run_time: reference.max_run_time,
        result_retention: reference.result_retention,
    })
}

fn status(reference: reference::ItemStatus) -> v1::ItemStatus {
    v1::ItemStatus::new(reference.code, reference.reason, reference.message)
}

fn settlement(reference: reference::Settlement) -> v1::Settlement {
    use v1::settlement::Verdict;
    let verdict = reference.verdict.map(|verdict| match verdict {
        reference::Verdict::Complete(complete) => Verdict::Complete(v1::Complete {
            result: complete.result,
        }),
        reference::Verdict::Fail(fail) => Verdict::Fail(fail),
        reference::Verdict::Reject(reject) => Verdict::Reject(reject),
        reference::Verdict::Release(release) => Verdict::Release(release),
    });
    v1::Settlement {
        lease_token: reference.lease_token,
        verdict,
    }
}

proptest! {
    #[test]
    fn a_new_job_is_what_is_generated(reference in new_jobs()) {
        check_same(&new_job(reference.clone()), &reference);
    }

    #[test]
    fn a_status_is_what_is_generated(reference in statuses()) {
        let by_hand = status(reference.clone());
        check_same(&by_hand, &reference);
        prop_assert_eq!(by_hand.reason(), reference.reason);
        prop_assert_eq!(by_hand.message(), reference.message);
    }

    #[test]
    fn a_settlement_is_what_is_generated(reference in settlements()) {
        check_same(&settlement(reference.clone()), &reference);
    }

    #[test]
    fn an_answer_to_a_put_is_what_is_generated(reference in put_answers()) {
        let reference::PutStreamResponse { job_ids: ids, deduplicated, .. } = reference.clone();
        let job_ids: v1::JobIds = ids.iter().collect();
        prop_assert_eq!(job_ids.len(), ids.len());
        prop_assert_eq!(job_ids.is_empty(), ids.is_empty());
        prop_assert_eq!(job_ids.iter().collect::<Vec<_>>(), ids.clone());
        let by_hand = v1::PutResponse { job_ids: job_ids.clone(), deduplicated };
        check_same(&by_hand, &reference::PutResponse { job_ids: ids, deduplicated });
        let status = reference.status.clone().map(status);
        let by_hand = v1::PutStreamResponse { job_ids, deduplicated, status };
        check_same(&by_hand, &reference);
    }

    #[test]
    fn a_delivery_is_what_is_generated(reference in deliveries()) {
        let reference::Deliver { queue, jobs, expire_time } = reference.clone();
        let by_hand = v1::GetResponse { jobs: jobs.clone(), expire_time };
        check_same(&by_hand, &reference::GetResponse { jobs: jobs.clone(), expire_time });
        check_same(&v1::Deliver { queue, jobs, expire_time }, &reference);
    }
}

/// Bytes that are nearly messages: two of any kind one after the other, as merging allows, with
/// fields of another kind among them, cut off somewhere, with a byte changed.
fn nearly_messages() -> impl Strategy<Value = Vec<u8>> {
    let message = || {
        prop_oneof![
            new_jobs().prop_map(|it| it.encode_to_vec()),
            statuses().prop_map(|it| it.encode_to_vec()),
            settlements().prop_map(|it| it.encode_to_vec()),
            put_answers().prop_map(|it| it.encode_to_vec()),
            deliveries().prop_map(|it| it.encode_to_vec()),
            unknown_fields(),
            prop::collection::vec(any::<u8>(), 0..40),
        ]
    };
    let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    let cut = prop::option::of(any::<prop::sample::Index>());
    (message(), message(), change, cut).prop_map(|(mut bytes, more, change, cut)| {
        bytes.extend(more);
        if let (Some((place, byte)), false) = (change, bytes.is_empty()) {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// Fields that none of the messages has, of each wire type.
fn unknown_fields() -> impl Strategy<Value = Vec<u8>> {
    use prost::encoding::{bytes as bytes_field, fixed32, fixed64, group, uint64};
    (11..5000_u32, any::<u64>(), bytes()).prop_map(|(tag, number, bytes)| {
        let mut buffer = Vec::new();
        uint64::encode(tag, &number, &mut buffer);
        fixed64::encode(tag, &number, &mut buffer);
        fixed32::encode(tag, &7, &mut buffer);
        bytes_field::encode(tag, &bytes, &mut buffer);
        group::encode(tag, &v1::Drain::default(), &mut buffer);
        buffer
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn bytes_mean_what_they_mean_to_generated_code(
        bytes in nearly_messages(),
        cut in 0..600_usize,
    ) {
        check_bytes::<v1::NewJob, reference::NewJob>(&bytes, cut);
        check_bytes::<v1::ItemStatus, reference::ItemStatus>(&bytes, cut);
        check_bytes::<v1::Settlement, reference::Settlement>(&bytes, cut);
        check_bytes::<v1::Complete, reference::Complete>(&bytes, cut);
        check_bytes::<v1::PutResponse, reference::PutResponse>(&bytes, cut);
        check_bytes::<v1::PutStreamResponse, reference::PutStreamResponse>(&bytes, cut);
        check_bytes::<v1::Deliver, reference::Deliver>(&bytes, cut);
        check_bytes::<v1::GetResponse, reference::GetResponse>(&bytes, cut);
    }
}

#[test]
fn an_id_that_is_not_text_is_refused() {
    for encoded in [&[0x0a, 2, 0xff, 0xfe][..], &[0x0a, 3, b'a'], &[0x08, 1]] {
        assert!(v1::PutResponse::decode(encoded).is_err(), "{encoded:?}");
    }
}

#[test]
fn what_a_plain_job_and_an_ok_need_is_small() {
    assert!(size_of::<v1::NewJob>() <= 40);
    assert!(size_of::<v1::ItemStatus>() <= 16);
    let job = v1::NewJob::decode(&[0x0a, 1, b'x', 0x58, 1][..]).expect("an unknown field");
    assert!(job.options.is_none(), "an unknown field costs nothing");
    assert_eq!(
        v1::NewJob::new("x"),
        v1::NewJob::new("x").with(v1::JobOptions::default())
    );
}

/// A field that is added to a `.proto` file is not generated for these messages: it has to be
/// written, here and in the reference.
#[test]
fn the_messages_have_the_fields_of_the_proto_files() {
    let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).expect("a descriptor set");
    let check = |name: &str, fields: &[&str]| {
        let mut messages = set.file.iter().flat_map(|file| &file.message_type);
        let message = messages.find(|message| message.name() == name);
        let field = |field: &prost_types::FieldDescriptorProto| {
            format!("{} = {}", field.name(), field.number())
        };
        let actual: Vec<_> = message.expect(name).field.iter().map(field).collect();
        assert_eq!(actual, fields, "{name}");
    };
    check(
        "NewJob",
        &[
            "payload = 1",
            "headers = 2",
            "priority = 3",
            "delay = 4",
            "ready_time = 5",
            "max_attempts = 6",
            "retry = 7",
            "reply_to = 8",
            "max_run_time = 9",
            "result_retention = 10",
        ],
    );
    check("ItemStatus", &["code = 1", "reason = 2", "message = 3"]);
    check("Complete", &["result = 1"]);
    let verdicts = ["complete = 2", "fail = 3", "reject = 4", "release = 5"];
    check(
        "Settlement",
        &[&["lease_token = 1"], &verdicts[..]].concat(),
    );
    let ids = ["job_ids = 1", "deduplicated = 2"];
    check("PutResponse", &ids);
    check("PutStreamResponse", &[&ids[..], &["status = 3"]].concat());
    check("Deliver", &["queue = 1", "jobs = 2", "expire_time = 3"]);
    check("GetResponse", &["jobs = 1", "expire_time = 2"]);
}
