//! Any value there can be in a transition.

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{
    JobId, JobSeq, JobsHash, LeaseNumber, LeaseRef, NamespaceTag, QueueId, QueueName, RequestId,
};
use leaseq_engine::settings::{JobSettings, QueueSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{
    Content, End, Holder, Outcome, PutJobs, Requeue, Sizes, Status, VerdictKind,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::record::JOBS_MAX;
use crate::record::id::NUMBER_MAX;

prop_compose! {
    pub(super) fn status()(
        (lease, holder, heard) in (lease_number(), holder(), any::<bool>()),
        (grant_time, expire_time) in (time(), time()),
        lease_duration in duration(),
        (end, retain_until) in (end(), option::of(time())),
        which in 0..4,
    ) -> Status {
        match which {
            0 => Status::Scheduled { ready_time: grant_time },
            1 => Status::Ready,
            2 => Status::Leased { lease, grant_time, lease_duration, expire_time, holder, heard },
            _ => Status::Ended { end, retain_until },
        }
    }
}

prop_compose! {
    pub(super) fn outcome()(
        (job, put_time, tag) in (seq(), time(), namespace_tag()),
        queue in name(),
        end in end(),
        error in text(),
        attempts: u32,
    ) -> Outcome {
        let job = JobId::new(job, put_time, tag);
        Outcome { job, queue, end, error, attempts }
    }
}

prop_compose! {
    pub(super) fn settings()(
        priority in prop_oneof![Just(0), -100..100, any::<i32>()],
        ready_time in option::of(time()),
        max_attempts in prop_oneof![Just(20), any::<u32>()],
        retry in retry(),
        reply_to in option::of(name()),
        run_time_max in option::of(duration()),
        result_retention in prop_oneof![Just(Duration::ZERO), duration()],
    ) -> JobSettings {
        JobSettings {
            priority, ready_time, max_attempts, retry, reply_to, run_time_max, result_retention,
        }
    }
}

prop_compose! {
    pub(super) fn queue_settings()(
        lease_duration in duration(),
        max_attempts: u32,
        retry in retry(),
        jobs_max in option::of(number()),
        result_retention in duration(),
    ) -> QueueSettings {
        QueueSettings { lease_duration, max_attempts, retry, jobs_max, result_retention }
    }
}

prop_compose! {
    fn retry()(
        (initial_delay, delay_max) in (duration(), duration()),
        (multiplier_percent, jitter_percent) in any::<(u32, u32)>(),
        usual: bool,
    ) -> RetryPolicy {
        if usual {
            return RetryPolicy::default();
        }
        RetryPolicy { initial_delay, delay_max, multiplier_percent, jitter_percent }
    }
}

/// Contents of consecutive jobs and their sizes, in either form if both fit.
pub(super) fn contents() -> impl Strategy<Value = (Sizes, Vec<Content>)> {
    let same = (content(), 1..20_usize).prop_map(|(content, count)| vec![content; count]);
    let each = vec(content(), 0..20);
    (prop_oneof![same, each], any::<bool>()).prop_map(|(contents, prefers_each)| {
        let sizes: Vec<u32> = contents.iter().map(Content::size).collect();
        let size = sizes.first().copied().unwrap_or(0);
        let count = contents.len() as u32;
        if prefers_each || sizes.iter().any(|other| *other != size) {
            return (Sizes::Each(sizes), contents);
        }
        (Sizes::Uniform { count, size }, contents)
    })
}

prop_compose! {
    pub(super) fn content()(
        headers in prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..100)],
        payload in vec(any::<u8>(), 0..300),
    ) -> Content {
        Content { headers: Bytes::from(headers), payload: Bytes::from(payload) }
    }
}

pub(super) fn sizes() -> impl Strategy<Value = Sizes> {
    prop_oneof![
        (0..=JOBS_MAX as u32, any::<u32>())
            .prop_map(|(count, size)| Sizes::Uniform { count, size }),
        vec(any::<u32>(), 0..50).prop_map(Sizes::Each),
    ]
}

/// Lists as they come: consecutive, with gaps, and in no order at all.
pub(super) fn jobs() -> impl Strategy<Value = Vec<JobSeq>> {
    leases().prop_map(|leases| leases.into_iter().map(|lease| lease.job).collect())
}

pub(super) fn leases() -> impl Strategy<Value = Vec<LeaseRef>> {
    let run = (lease_ref(), 1..40_u64).prop_map(|(first, length)| {
        let job = first.job.0.min(NUMBER_MAX + 1 - length);
        let lease = first.lease.0.min(NUMBER_MAX + 1 - length);
        let at = |place| LeaseRef {
            job: JobSeq(job + place),
            lease: LeaseNumber(lease + place),
        };
        (0..length).map(at).collect::<Vec<_>>()
    });
    let near = (0..50_u64, 0..50_u64).prop_map(|(job, lease)| LeaseRef {
        job: JobSeq(job),
        lease: LeaseNumber(lease),
    });
    prop_oneof![
        vec(run, 0..6).prop_map(|runs| runs.concat()),
        vec(near, 0..100),
    ]
}

prop_compose! {
    pub(super) fn lease_ref()(job in seq(), lease in lease_number()) -> LeaseRef {
        LeaseRef { job, lease }
    }
}

/// Numbers of all lengths: a small one is as likely as a large one.
pub(super) fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| bits >> shift)
}

pub(super) fn seq() -> impl Strategy<Value = JobSeq> {
    number().prop_map(|number| JobSeq(number.min(NUMBER_MAX)))
}

pub(super) fn lease_number() -> impl Strategy<Value = LeaseNumber> {
    number().prop_map(|number| LeaseNumber(number.min(NUMBER_MAX)))
}

pub(super) fn queue() -> impl Strategy<Value = QueueId> {
    number().prop_map(|number| QueueId(number as u32))
}

pub(super) fn namespace_tag() -> impl Strategy<Value = NamespaceTag> {
    any::<u32>().prop_map(NamespaceTag::new)
}

pub(super) fn request_id() -> impl Strategy<Value = RequestId> {
    any::<u128>().prop_map(RequestId)
}

pub(super) fn put_jobs() -> impl Strategy<Value = PutJobs> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(|hash| PutJobs::Hash(JobsHash(hash))),
        (queue(), number()).prop_map(|(queue, size)| PutJobs::Size { queue, size }),
    ]
}

pub(super) fn time() -> impl Strategy<Value = Time> {
    number().prop_map(Time::from_millis)
}

pub(super) fn duration() -> impl Strategy<Value = Duration> {
    let nanos = prop_oneof![
        Just(0),
        (0..1_000_u32).prop_map(|millis| millis * 1_000_000),
        0..1_000_000_000_u32,
    ];
    (number(), nanos).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

pub(super) fn name() -> impl Strategy<Value = QueueName> {
    "[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}"
        .prop_filter_map("a queue name", |name| QueueName::new(&name).ok())
}

pub(super) fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just(String::new()), ".{0,200}"].prop_map(Box::from)
}

pub(super) fn holder() -> impl Strategy<Value = Holder> {
    select(&[Holder::Get, Holder::Session][..])
}

pub(super) fn end() -> impl Strategy<Value = End> {
    select(&[End::Completed, End::Dead, End::Cancelled][..])
}

pub(super) fn verdict() -> impl Strategy<Value = VerdictKind> {
    use VerdictKind::{Complete, Fail, Reject, Release};
    select(&[Complete, Fail, Reject, Release][..])
}

pub(super) fn requeue() -> impl Strategy<Value = Requeue> {
    use Requeue::{Expired, Failed, Redriven, Released, TakenBack, Unheard};
    select(&[Failed, Released, TakenBack, Expired, Redriven, Unheard][..])
}
