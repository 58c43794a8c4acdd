//! On a PutStream each Put is answered, in order, and a refused one stops nothing.

use leaseq_proto::v1::{JobOptions, PutRequest, PutStreamRequest};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::*;

fn requests(puts: Vec<PutRequest>) -> impl tokio_stream::Stream<Item = PutStreamRequest> {
    tokio_stream::iter(puts).map(|put| PutStreamRequest { put: Some(put) })
}

#[tokio::test]
async fn every_put_is_answered_in_the_order_of_the_requests() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let puts: Vec<_> = (0..500)
        .map(|n| put_of("numbers", [job(n.to_string()), job(n.to_string())]))
        .collect();
    let mut answers = client
        .put_stream(requests(puts))
        .await
        .unwrap()
        .into_inner();
    let mut ids = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.status, None);
        assert_eq!(answer.job_ids.len(), 2);
        ids.extend(answer.job_ids.iter().map(str::to_owned));
    }
    assert_eq!(ids.len(), 1000);
    let jobs = get(&mut client, "numbers", 1000).await;
    let got: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
    assert_eq!(
        got, ids,
        "answers and jobs are in the order of the requests"
    );
}

#[tokio::test]
async fn a_reused_request_id_is_refused_on_a_stream_as_well() {
    let harness = Harness::start().await;
    let request = |payload: &str| PutRequest {
        request_id: "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11".to_owned(),
        ..put_of("numbers", [job(payload)])
    };
    let puts = vec![request("a"), request("b"), request("a")];
    let answers = harness.queue().put_stream(requests(puts)).await.unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    let said = answers.into_iter().map(|answer| {
        let answer = answer.unwrap();
        let status = answer.status.unwrap_or_default();
        (answer.deduplicated, status.reason().to_owned())
    });
    let none = String::new;
    let expected = [
        (false, none()),
        (false, "REQUEST_ID_REUSED".to_owned()),
        (true, none()),
    ];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_refused_put_is_answered_in_its_place_and_the_stream_goes_on() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let bad = job("bad").with(JobOptions {
        max_attempts: 9999,
        ..JobOptions::default()
    });
    let puts = vec![
        put_of("numbers", [job("1")]),
        put_of("numbers", [job("2"), bad]),
        put_of("no such name", [job("3")]),
        put_of("numbers", [job("4")]),
    ];
    let unset = tokio_stream::iter([PutStreamRequest { put: None }]);
    let answers = client
        .put_stream(requests(puts).chain(unset))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    let said: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().status.unwrap_or_default())
        .collect();
    let codes: Vec<_> = said.iter().map(|status| status.code).collect();
    let invalid = i32::from(Code::InvalidArgument);
    assert_eq!(codes, [0, invalid, invalid, 0, invalid]);
    assert_eq!(said[1].reason(), "INVALID_FIELD");
    assert!(
        said[1].message().starts_with("put.jobs[1].max_attempts"),
        "{}",
        said[1].message()
    );
    assert!(
        said[2].message().starts_with("put.queue"),
        "{}",
        said[2].message()
    );
    assert_eq!(texts(&get(&mut client, "numbers", 10).await), ["1", "4"]);
}

#[tokio::test]
async fn a_put_that_waits_for_room_holds_its_place_in_the_order() {
    let harness = Harness::with(|config| config.queue.jobs_max = 2).await;
    let mut client = harness.queue();
    let waiting = |payload: &str| PutRequest {
        wait: wire(LONG),
        ..put_of("small", [job(payload)])
    };
    let puts = ["1", "2", "3"].map(waiting).to_vec();
    let mut answers = client
        .put_stream(requests(puts))
        .await
        .unwrap()
        .into_inner();
    for _ in 0..2 {
        assert_eq!(answers.message().await.unwrap().unwrap().status, None);
    }
    let first = next(&mut client, "small").await;
    settle_one(&mut client, &first, complete("")).await;
    let third = answers.message().await.unwrap().unwrap();
    assert_eq!((third.status, third.job_ids.len()), (None, 1));
}

#[tokio::test]
async fn a_full_queue_is_answered_with_a_time_to_retry() {
    let harness = Harness::with(|config| config.queue.jobs_max = 1).await;
    let mut client = harness.queue();
    put(&mut client, "small", [job("1")]).await;
    let full = client.put(put_of("small", [job("2")])).await.unwrap_err();
    assert_eq!(
        refusal(&full),
        (Code::ResourceExhausted, "QUEUE_FULL".to_owned())
    );
    let retry = tonic_types::StatusExt::get_details_retry_info(&full);
    assert!(retry.and_then(|retry| retry.retry_delay).is_some());
}
