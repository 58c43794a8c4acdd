//! `queue.join()` over the network.

use leaseq_proto::v1::{WaitQueueRequest, WaitQueueResponse, WaitQueueUntil};

use crate::support::*;

fn wait_for(until: WaitQueueUntil, wait: Option<prost_types::Duration>) -> WaitQueueRequest {
    WaitQueueRequest {
        queue: "numbers".to_owned(),
        until: until.into(),
        wait,
    }
}

async fn now(client: &mut Queue, until: WaitQueueUntil) -> WaitQueueResponse {
    client
        .wait_queue(wait_for(until, None))
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_empty_and_settled() {
    let harness = Harness::start().await;
    let answer = now(&mut harness.queue(), WaitQueueUntil::Unspecified).await;
    assert!(answer.done);
}

#[tokio::test]
async fn empty_is_before_settled() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let answer = now(&mut client, WaitQueueUntil::Empty).await;
    assert_eq!((answer.done, answer.ready_count), (false, 1));
    let leased = next(&mut client, "numbers").await;
    assert!(now(&mut client, WaitQueueUntil::Empty).await.done);
    let answer = now(&mut client, WaitQueueUntil::Settled).await;
    assert_eq!((answer.done, answer.leased_count), (false, 1));
    settle_one(&mut client, &leased, complete("")).await;
    assert!(now(&mut client, WaitQueueUntil::Settled).await.done);
}

#[tokio::test]
async fn who_waits_is_answered_when_the_last_job_is_settled() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1"), job("2")]).await;
    let mut other = harness.other().await;
    let request = wait_for(WaitQueueUntil::Settled, wire(LONG));
    let waiting = tokio::spawn(async move { other.wait_queue(request).await });
    for leased in get(&mut client, "numbers", 2).await {
        settle_one(&mut client, &leased, complete("")).await;
    }
    assert!(waiting.await.unwrap().unwrap().into_inner().done);
}

#[tokio::test]
async fn not_in_time_is_no_error() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let request = wait_for(WaitQueueUntil::Settled, millis(50));
    assert!(!client.wait_queue(request).await.unwrap().into_inner().done);
}
