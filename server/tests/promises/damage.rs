//! A payload that was damaged on the disk ends its own job and nothing else.

use leaseq_proto::v1::{
    GetJobRequest, JobOptions, JobState, JobView, NewJob, RedriveJobsRequest, WaitJobRequest,
};
use tonic::Code;

use crate::support::*;

/// Jobs of a test, each put by a call of its own.
const JOBS: usize = 40;

/// The one whose payload is damaged.
const DAMAGED: usize = 17;

fn payload(n: usize) -> String {
    format!("the payload of job number {n:04}")
}

fn answered(n: usize) -> NewJob {
    job(payload(n)).with(JobOptions {
        reply_to: "results".to_owned(),
        ..JobOptions::default()
    })
}

/// A server with this scrub rate and segments of 1 MiB.
async fn harness(scrub_bytes_per_second: u64) -> Harness {
    Harness::with(|config| {
        config.limits.scrub_bytes_per_second = scrub_bytes_per_second;
        config.limits.segment_bytes = 1 << 20;
    })
    .await
}

/// Puts the jobs, one call each; gives their ids.
async fn put_all(harness: &Harness) -> Vec<String> {
    let mut client = harness.queue();
    let mut ids = Vec::new();
    for n in 0..JOBS {
        ids.extend(put(&mut client, "numbers", [answered(n)]).await);
    }
    ids
}

/// Stops the server, flips a bit in the payload of one job, and starts it again.
async fn damage(harness: &mut Harness, n: usize) {
    let stopping = harness.take_server();
    stopping.shutdown(std::time::Duration::ZERO).await.unwrap();
    let wanted = payload(n).into_bytes();
    let mut flipped = 0;
    for entry in std::fs::read_dir(&harness.config.data).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(wanted.len()).position(|part| part == wanted);
        if let Some(at) = found {
            bytes[at + 5] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            flipped += 1;
        }
    }
    assert_eq!(flipped, 1, "the payload is in the journal once, as it is");
    let (server, channel) = start(&harness.config).await;
    (harness.server, harness.channel) = (Some(server), channel);
}

fn show(id: &str, view: JobView) -> GetJobRequest {
    GetJobRequest {
        job_id: id.to_owned(),
        view: view.into(),
    }
}

/// The job is dead, says why, and has no payload to show.
async fn is_lost(harness: &Harness, id: &str) {
    let mut admin = harness.admin();
    let answer = admin.get_job(show(id, JobView::Basic)).await.unwrap();
    let found = answer.into_inner().job.unwrap();
    assert_eq!(found.state(), JobState::Dead);
    assert!(
        found.last_error.starts_with("CONTENT_DAMAGED: "),
        "{}",
        found.last_error
    );
    assert!(
        found.last_error.contains(".seg is damaged at byte"),
        "{}",
        found.last_error
    );
    let refused = admin.get_job(show(id, JobView::Full)).await.unwrap_err();
    let expected = (Code::DataLoss, "CONTENT_DAMAGED".to_owned());
    assert_eq!(refusal(&refused), expected);
    let redrive = RedriveJobsRequest {
        queue: "numbers".to_owned(),
        force: true,
        ..RedriveJobsRequest::default()
    };
    let redriven = admin.redrive_jobs(redrive).await.unwrap().into_inner();
    assert_eq!(redriven.job_count, 0, "nothing is left to deliver");
}

fn all_but_the_damaged() -> Vec<String> {
    let sound = (0..JOBS).filter(|n| *n != DAMAGED);
    sound.map(payload).collect()
}

#[tokio::test]
async fn one_damaged_payload_ends_its_job_and_the_others_are_delivered() {
    let mut harness = harness(0).await;
    let ids = put_all(&harness).await;
    damage(&mut harness, DAMAGED).await;
    let mut client = harness.queue();
    let leased = get(&mut client, "numbers", 100).await;
    assert_eq!(texts(&leased), all_but_the_damaged());
    let told = next(&mut client, "results").await;
    let outcome = told.outcome.unwrap();
    assert_eq!(outcome.job_id, ids[DAMAGED]);
    assert_eq!(outcome.state(), JobState::Dead);
    for _ in 0..2 {
        is_lost(&harness, &ids[DAMAGED]).await;
        harness.restart().await;
    }
}

#[tokio::test]
async fn a_session_gets_the_others_and_its_place_for_the_damaged_one_is_free_again() {
    let mut harness = harness(0).await;
    let ids = put_all(&harness).await;
    damage(&mut harness, DAMAGED).await;
    let mut client = harness.queue();
    // The flow limit is met only if the damaged job counts for nothing.
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 39)).await;
    let jobs = session.jobs(JOBS - 1).await;
    assert_eq!(texts(&jobs), all_but_the_damaged());
    is_lost(&harness, &ids[DAMAGED]).await;
}

#[tokio::test]
async fn asking_for_a_damaged_payload_is_answered_and_the_server_goes_on() {
    let mut harness = harness(0).await;
    let ids = put_all(&harness).await;
    damage(&mut harness, DAMAGED).await;
    let asked = harness
        .admin()
        .get_job(show(&ids[DAMAGED], JobView::Full))
        .await
        .unwrap_err();
    let expected = (Code::DataLoss, "CONTENT_DAMAGED".to_owned());
    assert_eq!(refusal(&asked), expected);
    let wait = WaitJobRequest {
        job_id: ids[DAMAGED].clone(),
        wait: wire(LONG),
    };
    let ended = harness.queue().wait_job(wait).await.unwrap().into_inner();
    assert_eq!(ended.state(), JobState::Dead);
    let mut client = harness.queue();
    let leased = get(&mut client, "numbers", 100).await;
    assert_eq!(texts(&leased), all_but_the_damaged());
}

#[tokio::test]
async fn damage_is_found_before_anybody_asks_for_the_job() {
    let mut harness = harness(64 << 20).await;
    let ids = put_all(&harness).await;
    damage(&mut harness, DAMAGED).await;
    let wait = WaitJobRequest {
        job_id: ids[DAMAGED].clone(),
        wait: wire(LONG),
    };
    let ended = harness.queue().wait_job(wait).await.unwrap().into_inner();
    assert_eq!(ended.state(), JobState::Dead);
    is_lost(&harness, &ids[DAMAGED]).await;
}

/// The segment of the damaged job is emptied and given up: compaction has to copy it.
#[tokio::test]
async fn compaction_ends_a_damaged_job_and_goes_on() {
    let mut harness = harness(0).await;
    let ids = put_all(&harness).await;
    damage(&mut harness, DAMAGED).await;
    let mut client = harness.queue();
    let mut waiting = harness.queue();
    let wait = WaitJobRequest {
        job_id: ids[DAMAGED].clone(),
        wait: wire(LONG),
    };
    let ended = tokio::spawn(async move { waiting.wait_job(wait).await });
    while !ended.is_finished() {
        put(&mut client, "other", [job("x".repeat(100_000))]).await;
        let done = next(&mut client, "other").await;
        settle_one(&mut client, &done, complete("")).await;
    }
    let ended = ended.await.unwrap().unwrap().into_inner();
    assert_eq!(ended.state(), JobState::Dead);
    is_lost(&harness, &ids[DAMAGED]).await;
    harness.restart().await;
    is_lost(&harness, &ids[DAMAGED]).await;
    let mut client = harness.queue();
    let leased = get(&mut client, "numbers", 100).await;
    assert_eq!(texts(&leased), all_but_the_damaged());
}
