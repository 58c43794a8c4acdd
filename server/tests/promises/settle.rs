//! A lease ends with one verdict, and a stale one ends nothing.

use bytes::Bytes;
use leaseq_proto::v1::{
    ExtendRequest, GetJobRequest, GetRequest, Job, JobOptions, JobState, LeasedJob,
};
use tonic::Code;

use crate::support::*;

async fn leased(client: &mut Queue) -> LeasedJob {
    put(client, "numbers", [job("1")]).await;
    get(client, "numbers", 1).await.pop().expect("a job")
}

async fn look(harness: &Harness, id: &str) -> Job {
    let request = GetJobRequest {
        job_id: id.to_owned(),
        ..GetJobRequest::default()
    };
    let answer = harness.admin().get_job(request).await.unwrap();
    answer.into_inner().job.unwrap()
}

#[tokio::test]
async fn a_completed_job_is_gone() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    settle_one(&mut client, &job, complete("1")).await;
    assert_eq!(get(&mut client, "numbers", 1).await, []);
}

#[tokio::test]
async fn a_failed_job_comes_back_until_its_attempts_are_used_up() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let new = job("1").with(JobOptions {
        max_attempts: 2,
        ..JobOptions::default()
    });
    let ids = put(&mut client, "numbers", [new]).await;
    for attempt in 1..=2 {
        let job = next(&mut client, "numbers").await;
        assert_eq!(job.attempt, attempt);
        settle_one(&mut client, &job, fail("no luck")).await;
    }
    let job = look(&harness, &ids[0]).await;
    assert_eq!(job.state(), JobState::Dead);
    assert_eq!((job.attempts, &*job.last_error), (2, "no luck"));
}

#[tokio::test]
async fn releases_are_counted_and_beyond_the_limit_they_are_attempts() {
    let mut harness = Harness::with(|config| config.limits.releases_max = 2).await;
    let new = job("1").with(JobOptions {
        max_attempts: 1,
        ..JobOptions::default()
    });
    let ids = put(&mut harness.queue(), "numbers", [new]).await;
    for released in 1..=2 {
        let mut client = harness.queue();
        let leased = next(&mut client, "numbers").await;
        settle_one(&mut client, &leased, release()).await;
        harness.restart().await;
        let shown = look(&harness, &ids[0]).await;
        assert_eq!((shown.release_count, shown.attempts), (released, 0));
    }
    let mut client = harness.queue();
    let leased = next(&mut client, "numbers").await;
    settle_one(&mut client, &leased, release()).await;
    let dead = look(&harness, &ids[0]).await;
    assert_eq!((dead.state(), dead.attempts), (JobState::Dead, 1));
    assert_eq!(dead.last_error, "its workers released it 3 times in a row");
}

#[tokio::test]
async fn a_rejected_job_is_dead_at_once() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    settle_one(&mut client, &job, reject("never")).await;
    assert_eq!(look(&harness, &job.id).await.state(), JobState::Dead);
}

#[tokio::test]
async fn a_released_job_is_ready_again_uncounted() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    settle_one(&mut client, &job, release()).await;
    assert_eq!(next(&mut client, "numbers").await.attempt, 1);
}

#[tokio::test]
async fn the_same_verdict_again_is_ok_and_another_is_not() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    settle_one(&mut client, &job, complete("1")).await;
    settle_one(&mut client, &job, complete("1")).await;
    let reasons = settle(&mut client, [(job.lease_token, fail("x"))]).await;
    assert_eq!(reasons, ["ALREADY_SETTLED"]);
}

#[tokio::test]
async fn a_stale_lease_settles_and_extends_nothing() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let request = GetRequest {
        lease_duration: millis(100),
        ..get_of("numbers", 1)
    };
    let stale = client.get(request).await.unwrap().into_inner();
    let stale = stale.leased_jobs().expect("jobs").remove(0);
    let present = next(&mut client, "numbers").await;

    let answer = client
        .settle(verdicts([(stale.lease_token.clone(), complete(""))]))
        .await;
    let status = answer.unwrap().into_inner().results.remove(0);
    assert_eq!(status.code, i32::from(Code::FailedPrecondition));
    assert_eq!(status.reason(), "LEASE_LOST");
    let extend = ExtendRequest {
        lease_tokens: vec![stale.lease_token],
        ..ExtendRequest::default()
    };
    let answer = client.extend(extend).await.unwrap().into_inner();
    let status = answer.results[0].status.clone().unwrap();
    assert_eq!(status.reason(), "LEASE_LOST");

    let seen = look(&harness, &present.id).await;
    assert_eq!(seen.state(), JobState::Leased, "state unchanged");
    settle_one(&mut client, &present, complete("")).await;
}

#[tokio::test]
async fn one_bad_token_does_not_stop_the_others() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    let garbage = Bytes::from_static(b"garbage");
    let entries = [(garbage, complete("")), (job.lease_token, complete(""))];
    assert_eq!(
        settle(&mut client, entries).await,
        ["LEASE_TOKEN_INVALID", ""]
    );
}

#[tokio::test]
async fn a_token_of_another_server_is_garbage_here() {
    let (harness, other) = (Harness::start().await, Harness::start().await);
    let theirs = leased(&mut other.queue()).await.lease_token;
    let ours = leased(&mut harness.queue()).await.lease_token;
    let entries = [(theirs, complete("")), (ours, complete(""))];
    let reasons = settle(&mut harness.queue(), entries).await;
    assert_eq!(reasons, ["LEASE_TOKEN_INVALID", ""]);
}

#[tokio::test]
async fn an_extended_lease_keeps_its_token_and_shows_its_progress() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let job = leased(&mut client).await;
    let before = look(&harness, &job.id).await.expire_time.unwrap();
    let extend = ExtendRequest {
        lease_tokens: vec![job.lease_token.clone()],
        lease_duration: wire(std::time::Duration::from_secs(3600)),
        progress: "half".to_owned(),
    };
    let answer = client.extend(extend).await.unwrap().into_inner();
    let result = &answer.results[0];
    assert!(result.status.as_ref().is_none_or(|status| status.code == 0));
    assert!(result.expire_time.unwrap().seconds > before.seconds);
    assert!(!result.cancel_requested);
    let seen = look(&harness, &job.id).await;
    assert_eq!((seen.state(), &*seen.progress), (JobState::Leased, "half"));
    settle_one(&mut client, &job, complete("")).await;
}
