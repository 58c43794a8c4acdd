//! A server that stops lets workers finish and lies to nobody.

use leaseq_proto::v1::lease_response::Response as Hear;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn sessions_are_told_and_may_settle_what_they_hold() {
    let mut harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1"), job("2")]).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let held = session.jobs(1).await.remove(0);
    let mut waiting = harness.other().await;
    let waiting = tokio::spawn(async move {
        let request = leaseq_proto::v1::GetRequest {
            wait: wire(LONG),
            ..get_of("empty", 1)
        };
        waiting.get(request).await
    });
    let stopping = tokio::spawn(harness.take_server().shutdown(LONG));

    assert!(matches!(session.hear().await, Hear::Drain(_)));
    let reasons = session.settle([(held.lease_token, complete(""))]).await;
    assert_eq!(reasons, [""], "what is held may finish");
    session.hang_up();
    assert!(
        session.heard().await.unwrap().is_none(),
        "the stream ends well"
    );
    match waiting.await.unwrap() {
        Ok(answer) => assert!(answer.into_inner().jobs.is_empty()),
        Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
    }
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_that_stays_is_ended_as_unavailable() {
    let mut harness = Harness::start().await;
    let mut client = harness.queue();
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let server = harness.take_server();
    server.shutdown(std::time::Duration::ZERO).await.unwrap();
    let status = session.end().await;
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}
