//! How a job ended is told in the same commit: to its `reply_to` queue and to those who wait.

use bytes::Bytes;
use leaseq_proto::v1::{
    CancelJobRequest, GetJobRequest, JobOptions, JobState, JobView, NewJob, Outcome, WaitJobRequest,
};
use tonic::Code;

use crate::support::*;

fn answered(payload: &str) -> NewJob {
    job(payload).with(JobOptions {
        reply_to: "results".to_owned(),
        max_attempts: 1,
        ..JobOptions::default()
    })
}

fn wait_for(id: &str) -> WaitJobRequest {
    WaitJobRequest {
        job_id: id.to_owned(),
        wait: wire(LONG),
    }
}

#[tokio::test]
async fn every_end_puts_an_outcome_on_the_reply_queue() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let jobs = ["done", "failed", "rejected", "cancelled"].map(answered);
    let ids = put(&mut client, "numbers", jobs).await;
    let cancel = CancelJobRequest {
        job_id: ids[3].clone(),
        reason: "not wanted".to_owned(),
    };
    let answer = client.cancel_job(cancel).await.unwrap().into_inner();
    assert_eq!(answer.state(), JobState::Cancelled);
    let leased = get(&mut client, "numbers", 10).await;
    let ends = [complete("42"), fail("no luck"), reject("never")];
    let entries = leased.into_iter().map(|job| job.lease_token).zip(ends);
    assert_eq!(
        settle(&mut client, entries.collect::<Vec<_>>()).await,
        ["", "", ""]
    );

    let outcome = |id: &str, state: JobState, error: &str, attempts| Outcome {
        job_id: id.to_owned(),
        queue: "numbers".to_owned(),
        state: state.into(),
        error: error.to_owned(),
        attempts,
    };
    let expected = [
        (outcome(&ids[3], JobState::Cancelled, "not wanted", 0), ""),
        (outcome(&ids[0], JobState::Completed, "", 1), "42"),
        (outcome(&ids[1], JobState::Dead, "no luck", 1), ""),
        (outcome(&ids[2], JobState::Dead, "never", 1), ""),
    ];
    for (outcome, result) in expected {
        let told = next(&mut client, "results").await;
        assert_eq!(told.outcome, Some(outcome));
        assert_eq!(told.payload, Bytes::from_static(result.as_bytes()));
        settle_one(&mut client, &told, complete("")).await;
    }
}

#[tokio::test]
async fn who_waits_for_a_job_gets_its_result() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let ids = put(&mut client, "numbers", [job("1")]).await;
    let mut waiting = harness.other().await;
    let request = wait_for(&ids[0]);
    let waiting = tokio::spawn(async move { waiting.wait_job(request).await });
    let leased = next(&mut client, "numbers").await;
    settle_one(&mut client, &leased, complete("42")).await;
    match waiting.await.unwrap() {
        Ok(answer) => {
            let answer = answer.into_inner();
            assert_eq!(answer.state(), JobState::Completed);
            assert_eq!(&answer.result[..], b"42");
            assert_eq!(answer.outcome.unwrap().attempts, 1);
        }
        // It asked after the end, and nothing of the job is kept.
        Err(status) => {
            assert_eq!(
                refusal(&status),
                (Code::NotFound, "JOB_NOT_FOUND".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn a_kept_result_can_be_read_after_the_end() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let kept = job("1").with(JobOptions {
        result_retention: wire(LONG),
        headers: [("k".to_owned(), "v".to_owned())].into(),
        ..JobOptions::default()
    });
    let ids = put(&mut client, "numbers", [kept]).await;
    let leased = next(&mut client, "numbers").await;
    settle_one(&mut client, &leased, complete("42")).await;
    let answer = client
        .wait_job(wait_for(&ids[0]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (answer.state(), &answer.result[..]),
        (JobState::Completed, &b"42"[..])
    );
    let request = GetJobRequest {
        job_id: ids[0].clone(),
        view: JobView::Full.into(),
    };
    let seen = harness.admin().get_job(request).await.unwrap().into_inner();
    let seen = seen.job.unwrap();
    assert_eq!(
        (seen.state(), &seen.result[..]),
        (JobState::Completed, &b"42"[..])
    );
    assert!(seen.payload.is_empty());
}

#[tokio::test]
async fn a_job_that_has_not_ended_in_time_is_no_error() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let ids = put(&mut client, "numbers", [job("1")]).await;
    let request = WaitJobRequest {
        wait: millis(50),
        ..wait_for(&ids[0])
    };
    let answer = client.wait_job(request).await.unwrap().into_inner();
    assert_eq!((answer.state(), answer.outcome), (JobState::Ready, None));
}

#[tokio::test]
async fn a_job_that_has_ended_or_never_was_cannot_be_cancelled() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let kept = job("1").with(JobOptions {
        result_retention: wire(LONG),
        ..JobOptions::default()
    });
    let ids = put(&mut client, "numbers", [kept, job("2")]).await;
    for leased in get(&mut client, "numbers", 2).await {
        settle_one(&mut client, &leased, complete("")).await;
    }
    let cancel = |id: &str| CancelJobRequest {
        job_id: id.to_owned(),
        reason: String::new(),
    };
    let ended = client.cancel_job(cancel(&ids[0])).await.unwrap_err();
    assert_eq!(
        refusal(&ended),
        (Code::FailedPrecondition, "JOB_ENDED".to_owned())
    );
    for gone in [&*ids[1], "0192e7a2-6f3c-7000-8000-000000040001"] {
        let gone = client.cancel_job(cancel(gone)).await.unwrap_err();
        assert_eq!(refusal(&gone), (Code::NotFound, "JOB_NOT_FOUND".to_owned()));
    }
}
