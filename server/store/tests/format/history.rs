//! A life that has everything in it: each transition, each value of each enum. Never
//! changed, because fixtures were written from it.

use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{
    JobId, JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueId, QueueName, RequestId,
};
use leaseq_engine::settings::{JobSettings, QueueSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{
    Content, End, Holder, JobRestated, Outcome, PutJobs, Requeue, Sizes, Status, Transition,
    VerdictKind,
};
use leaseq_store::Batch;

fn tag() -> NamespaceTag {
    NamespaceTag::new(0x2_1234)
}
const QUEUE: QueueId = QueueId(1);
const REPLIES: QueueId = QueueId(300);

fn at(millis: u64) -> Time {
    Time::from_millis(1_800_000_000_000 + millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn name(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn content(headers: &'static [u8], payload: &'static [u8]) -> Content {
    Content {
        headers: Bytes::from_static(headers),
        payload: Bytes::from_static(payload),
    }
}

fn plain() -> JobSettings {
    JobSettings {
        priority: 0,
        ready_time: None,
        max_attempts: 20,
        retry: RetryPolicy::default(),
        reply_to: None,
        run_time_max: None,
        result_retention: Duration::ZERO,
    }
}

fn told_everything() -> JobSettings {
    JobSettings {
        priority: -7,
        ready_time: Some(at(90_000)),
        max_attempts: 3,
        retry: RetryPolicy {
            initial_delay: Duration::from_millis(1500),
            delay_max: secs(7200),
            multiplier_percent: 350,
            jitter_percent: 100,
        },
        reply_to: Some(name("replies")),
        run_time_max: Some(secs(3600)),
        result_retention: secs(86_400),
    }
}

fn put(first: u64, settings: JobSettings, contents: Vec<Content>) -> Transition {
    let each: Vec<u32> = contents.iter().map(Content::size).collect();
    let uniform = each.iter().all(|size| Some(size) == each.first());
    let sizes = match each.first() {
        Some(size) if uniform => Sizes::Uniform {
            count: each.len() as u32,
            size: *size,
        },
        _ => Sizes::Each(each),
    };
    Transition::JobsAdded {
        first: JobSeq(first),
        queue: QUEUE,
        put_time: at(first),
        settings,
        sizes,
        contents,
    }
}

fn grant(first_lease: u64, jobs: &[u64], holder: Holder) -> Transition {
    Transition::LeasesGranted {
        first_lease: LeaseNumber(first_lease),
        jobs: jobs.iter().map(|job| JobSeq(*job)).collect(),
        grant_time: at(1_000 + first_lease),
        holder,
        lease_duration: Duration::from_millis(30_500),
    }
}

fn requeued(job: u64, how: Requeue, ready_time: Option<Time>, error: &str) -> Transition {
    Transition::JobRequeued {
        job: JobSeq(job),
        lease: (how != Requeue::Redriven).then_some(LeaseNumber(job)),
        how,
        attempts: job as u32,
        ready_time,
        error: error.into(),
    }
}

fn ended(
    job: u64,
    end: End,
    verdict: Option<VerdictKind>,
    kept: Option<&'static [u8]>,
) -> Transition {
    Transition::JobEnded {
        job: JobSeq(job),
        lease: verdict.map(|_| LeaseNumber(job)),
        verdict,
        end,
        error: "no such file: „données.csv“".into(),
        retain_until: kept.map(|_| at(99_000)),
        result_size: kept.map_or(0, |result| result.len() as u32),
        result: Bytes::from_static(kept.unwrap_or_default()),
    }
}

/// The life.
pub(crate) fn history() -> Vec<Batch> {
    let batches = [
        created(),
        put_all(),
        attempts(),
        ends(),
        ledger(),
        restated(),
    ];
    let batch = |(n, transitions)| Batch {
        time: at(n * 1_000),
        transitions,
    };
    (1_u64..).zip(batches).map(batch).collect()
}

fn created() -> Vec<Transition> {
    let queue = |queue, text: &str, jobs_max, paused| Transition::QueueSet {
        queue,
        name: name(text),
        settings: QueueSettings {
            lease_duration: secs(45),
            max_attempts: 5,
            retry: RetryPolicy::default(),
            jobs_max,
            result_retention: secs(60),
        },
        paused,
        revision: 1 << 40,
        create_time: at(0),
    };
    vec![
        Transition::NamespaceCreated {
            tag: tag(),
            token_key: *b"0123456789abcdef",
        },
        queue(QUEUE, "images.resize", Some(1_000_000), false),
        queue(REPLIES, "replies", None, true),
        queue(QueueId(7), "gone", None, false),
    ]
}

fn put_all() -> Vec<Transition> {
    let words: [&'static [u8]; 20] = [
        b"one",
        b"two",
        b"three",
        b"four",
        b"five",
        b"six",
        b"seven",
        b"eight",
        b"nine",
        b"ten",
        b"eleven",
        b"",
        b"thirteen",
        b"\0\xff\n",
        b"15",
        b"16",
        b"17",
        b"18",
        b"19",
        b"20",
    ];
    let contents = words.iter().map(|word| content(b"", word)).collect();
    vec![
        put(1, plain(), contents),
        put(
            21,
            told_everything(),
            vec![content(b"trace=7", b"later"); 3],
        ),
        Transition::PutRemembered {
            request_id: RequestId(0x0192_e7a2_6f3c_7000_8000_0000_0004_0001),
            first: JobSeq(21),
            count: 3,
            jobs: PutJobs::Size {
                queue: QUEUE,
                size: 36,
            },
            put_time: at(21),
        },
        put(24, plain(), vec![content(b"h", &[0x5a; 1500])]),
        Transition::OutcomeAdded {
            job: JobSeq(25),
            queue: REPLIES,
            put_time: at(30),
            settings: plain(),
            outcome: outcome(End::Completed),
            size: 2,
            content: content(b"", b"42"),
        },
    ]
}

fn outcome(end: End) -> Outcome {
    Outcome {
        job: JobId::new(JobSeq(0x00ab_cdef_0123_4567), at(3), tag()),
        queue: name("images.resize"),
        end,
        error: "broken pipe".into(),
        attempts: 2,
    }
}

fn attempts() -> Vec<Transition> {
    vec![
        grant(1, &[1, 2, 3, 4, 5, 6, 7, 8], Holder::Session),
        grant(9, &[9, 10, 12], Holder::Get),
        Transition::LeaseExtended {
            lease: LeaseRef {
                job: JobSeq(9),
                lease: LeaseNumber(9),
            },
            expire_time: at(77_777),
        },
        Transition::CancelRequested {
            job: JobSeq(10),
            reason: "changed my mind".into(),
        },
        requeued(1, Requeue::Failed, Some(at(50_000)), "timeout"),
        requeued(2, Requeue::Released, None, ""),
        requeued(3, Requeue::TakenBack, None, ""),
        requeued(4, Requeue::Expired, None, "the lease expired"),
        Transition::JobsReady {
            jobs: vec![JobSeq(1), JobSeq(22)],
        },
    ]
}

fn ends() -> Vec<Transition> {
    vec![
        Transition::JobsCompleted {
            leases: vec![LeaseRef {
                job: JobSeq(5),
                lease: LeaseNumber(5),
            }],
        },
        ended(
            6,
            End::Completed,
            Some(VerdictKind::Complete),
            Some(b"a result"),
        ),
        ended(7, End::Dead, Some(VerdictKind::Reject), None),
        ended(8, End::Dead, Some(VerdictKind::Fail), None),
        ended(10, End::Cancelled, Some(VerdictKind::Release), Some(b"")),
        ended(13, End::Cancelled, None, None),
        ended(12, End::Completed, None, Some(b"")),
        requeued(8, Requeue::Redriven, None, ""),
        Transition::JobsRemoved {
            jobs: vec![JobSeq(14), JobSeq(16)],
        },
    ]
}

fn ledger() -> Vec<Transition> {
    vec![
        Transition::Stalled {
            by: Duration::from_micros(1_500_250),
        },
        Transition::QueueDeleted { queue: QueueId(7) },
        Transition::CountersRestated {
            next_job: JobSeq(1 << 33),
            next_lease: LeaseNumber(u64::MAX >> 8),
            next_queue: QueueId(301),
        },
    ]
}

fn restated() -> Vec<Transition> {
    let job = |job, size, status| JobRestated {
        job: JobSeq(job),
        queue: QUEUE,
        put_time: at(1),
        settings: plain(),
        size,
        attempts: 3,
        releases: 0,
        unheard: 0,
        error: "once".into(),
        cancel: Some("twice".into()),
        outcome: None,
        status,
    };
    let leased = Status::Leased {
        lease: LeaseNumber(9),
        grant_time: at(1_009),
        lease_duration: secs(30),
        expire_time: at(88_888),
        holder: Holder::Get,
        heard: false,
    };
    let kept = Status::Ended {
        end: End::Completed,
        retain_until: Some(at(99_000)),
    };
    let restated = |job| Transition::JobRestated(Box::new(job));
    vec![
        restated(job(9, 4, leased)),
        restated(job(6, 8, kept)),
        restated(job(
            1,
            3,
            Status::Scheduled {
                ready_time: at(66_000),
            },
        )),
        restated(JobRestated {
            outcome: Some(outcome(End::Dead)),
            cancel: None,
            ..job(25, 2, Status::Ready)
        }),
        Transition::JobsRestated {
            first: JobSeq(17),
            queue: QUEUE,
            put_time: at(1),
            settings: plain(),
            sizes: Sizes::Uniform { count: 3, size: 2 },
        },
        Transition::JobsRestated {
            first: JobSeq(2),
            queue: QUEUE,
            put_time: at(1),
            settings: told_everything(),
            sizes: Sizes::Each(vec![3, 5, 4]),
        },
    ]
}

/// Puts and ends enough for the beginning of the life to be reclaimed.
pub(crate) fn rubbish() -> Vec<Batch> {
    let batch = |n: u64| Batch {
        time: at(10_000 + n),
        transitions: vec![
            put((1 << 33) + n, plain(), vec![content(b"", &[0x77; 900])]),
            Transition::JobsRemoved {
                jobs: vec![JobSeq((1 << 33) + n)],
            },
        ],
    };
    (0..12).map(batch).collect()
}
