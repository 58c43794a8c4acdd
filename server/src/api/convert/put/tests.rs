//! What a Put may say.

use leaseq_engine::id::Scope;
use leaseq_engine::rejection::Rejection;
use prost_types::Duration as WireDuration;

use super::*;
use crate::api::convert::time::timestamp;
use crate::auth::Role;
use crate::shard::Refusal;
use crate::shard::WallOffset;

const NOW: u64 = 1_763_899_200_000;

fn read_as(scope: Scope, jobs: Vec<v1::NewJob>) -> Result<Vec<NewJob>, Fault> {
    let limits = crate::config::Config::default().limits;
    let identity = Identity::new("key", &[Role::Put], scope);
    let reader = Reader {
        limits: &limits,
        identity: &identity,
        now: Time::from_millis(NOW),
        offset: WallOffset::default(),
    };
    reader.jobs(jobs)
}

fn read(job: v1::NewJob) -> Result<NewJob, Fault> {
    read_as(Scope::All, vec![job]).map(|mut jobs| jobs.remove(0))
}

fn new() -> v1::NewJob {
    v1::NewJob::default()
}

fn options() -> v1::JobOptions {
    v1::JobOptions::default()
}

fn told(options: v1::JobOptions) -> v1::NewJob {
    new().with(options)
}

fn seconds(seconds: i64) -> Option<WireDuration> {
    Some(WireDuration { seconds, nanos: 0 })
}

#[track_caller]
fn refused(job: v1::NewJob, field: &str) {
    match read(job) {
        Err(Fault::Invalid(invalid)) => assert_eq!(invalid.field, field, "{invalid}"),
        other => panic!("{field} was not refused: {other:?}"),
    }
}

#[test]
fn a_plain_job_has_every_default() {
    let payload = bytes::Bytes::from_static(b"7872");
    let job = read(v1::NewJob::new(payload.clone()));
    let content = Content {
        payload,
        ..Content::default()
    };
    assert_eq!(job, Ok(NewJob::plain(content)));
}

#[test]
fn each_bad_field_is_named() {
    let days = |days: i64| seconds(days * 24 * 3600);
    let retry = v1::RetryPolicy {
        multiplier: 99.0,
        ..v1::RetryPolicy::default()
    };
    let headers = (0..65).map(|n| (n.to_string(), String::new())).collect();
    let large = [("k".to_owned(), "v".repeat(HEADERS_BYTES_MAX))];
    let ahead = Time::from_millis(NOW).after(DELAY_MAX + Duration::from_secs(1));
    let payload = vec![0; (1 << 20) + 1];
    refused(v1::NewJob::new(payload), "jobs[0].payload");
    refused(
        told(v1::JobOptions {
            headers,
            ..options()
        }),
        "jobs[0].headers",
    );
    refused(
        told(v1::JobOptions {
            headers: large.into(),
            ..options()
        }),
        "jobs[0].headers",
    );
    refused(
        told(v1::JobOptions {
            priority: 1001,
            ..options()
        }),
        "jobs[0].priority",
    );
    refused(
        told(v1::JobOptions {
            priority: i32::MIN,
            ..options()
        }),
        "jobs[0].priority",
    );
    refused(
        told(v1::JobOptions {
            max_attempts: 1001,
            ..options()
        }),
        "jobs[0].max_attempts",
    );
    refused(
        told(v1::JobOptions {
            retry: Some(retry),
            ..options()
        }),
        "jobs[0].retry.multiplier",
    );
    refused(
        told(v1::JobOptions {
            reply_to: "a b".into(),
            ..options()
        }),
        "jobs[0].reply_to",
    );
    refused(
        told(v1::JobOptions {
            max_run_time: days(31),
            ..options()
        }),
        "jobs[0].max_run_time",
    );
    refused(
        told(v1::JobOptions {
            max_run_time: days(0),
            ..options()
        }),
        "jobs[0].max_run_time",
    );
    refused(
        told(v1::JobOptions {
            result_retention: days(31),
            ..options()
        }),
        "jobs[0].result_retention",
    );
    let delay = |wire| Some(Start::Delay(wire));
    refused(
        told(v1::JobOptions {
            start: days(366).and_then(delay),
            ..options()
        }),
        "jobs[0].delay",
    );
    refused(
        told(v1::JobOptions {
            start: days(-1).and_then(delay),
            ..options()
        }),
        "jobs[0].delay",
    );
    let start = Some(Start::ReadyTime(timestamp(ahead, WallOffset::default())));
    refused(
        told(v1::JobOptions { start, ..options() }),
        "jobs[0].ready_time",
    );
}

#[test]
fn no_jobs_and_too_many_jobs_are_refused() {
    for jobs in [vec![], vec![new(); 1001]] {
        let fault = read_as(Scope::All, jobs).expect_err("refused");
        assert!(matches!(fault, Fault::Invalid(invalid) if invalid.field == "jobs"));
    }
}

#[test]
fn the_bad_job_among_good_ones_is_named() {
    let bad = told(v1::JobOptions {
        priority: 2000,
        ..options()
    });
    let fault = read_as(Scope::All, vec![new(), new(), bad]).expect_err("refused");
    assert!(matches!(fault, Fault::Invalid(invalid) if invalid.field == "jobs[2].priority"));
}

#[test]
fn a_delay_and_a_moment_are_the_same_and_the_past_is_at_once() {
    let later = Time::from_millis(NOW + 5_000);
    let ready = |start| {
        read(told(v1::JobOptions {
            start: Some(start),
            ..options()
        }))
        .expect("right")
        .ready_time
    };
    let five = WireDuration {
        seconds: 5,
        nanos: 0,
    };
    assert_eq!(ready(Start::Delay(five)), Some(later));
    assert_eq!(
        ready(Start::ReadyTime(timestamp(later, WallOffset::default()))),
        Some(later)
    );
    assert_eq!(ready(Start::Delay(WireDuration::default())), None);
    assert_eq!(
        ready(Start::ReadyTime(timestamp(
            Time::from_millis(NOW - 1),
            WallOffset::default()
        ))),
        None
    );
}

#[test]
fn an_outcome_goes_only_to_a_queue_that_the_caller_may_use() {
    let scope = Scope::Patterns(["mine.*".into()].into());
    let to = |queue: &str| {
        told(v1::JobOptions {
            reply_to: queue.into(),
            ..options()
        })
    };
    let jobs = read_as(
        scope.clone(),
        vec![to("mine.a"), to("mine.a"), new(), to("mine.b")],
    );
    let queues: Vec<_> = jobs
        .expect("permitted")
        .into_iter()
        .map(|job| job.reply_to)
        .collect();
    let name = |name| QueueName::new(name).ok();
    assert_eq!(
        queues,
        [name("mine.a"), name("mine.a"), None, name("mine.b")]
    );
    let fault = read_as(scope, vec![to("mine.a"), to("theirs")]).expect_err("refused");
    let rejection = Rejection::QueueNotPermitted {
        queue: QueueName::new("theirs").expect("a name"),
    };
    assert_eq!(fault, Fault::Refused(Refusal::Rejected(rejection)));
}
