//! What was acknowledged is there after a restart, and so is what workers hold.

use leaseq_proto::v1::{Open, PutRequest};

use crate::support::*;

#[tokio::test]
async fn jobs_leases_and_request_ids_survive() {
    let mut harness = Harness::start().await;
    let mut client = harness.queue();
    let request = PutRequest {
        request_id: "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11".to_owned(),
        ..put_of("numbers", ["1", "2", "3"].map(job))
    };
    let first = client.put(request.clone()).await.unwrap().into_inner();
    let leased = next(&mut client, "numbers").await;
    harness.restart().await;

    let mut client = harness.queue();
    let again = client.put(request).await.unwrap().into_inner();
    assert_eq!(again.job_ids, first.job_ids);
    assert!(again.deduplicated);
    settle_one(&mut client, &leased, complete("")).await;
    let rest = get(&mut client, "numbers", 10).await;
    assert_eq!(texts(&rest), ["2", "3"]);
    assert!(
        rest.iter()
            .all(|job| job.fencing_number > leased.fencing_number)
    );
}

#[tokio::test]
async fn a_session_comes_back_to_a_restarted_server() {
    let mut harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let opening = Open {
        grace: millis(0),
        ..open(&["numbers"], 1)
    };
    let (mut session, _) = Session::open(&mut client, opening.clone()).await;
    let held = session.jobs(1).await.remove(0);
    harness.restart().await;

    let resumed = Open {
        held_tokens: vec![held.lease_token.clone()],
        ..opening
    };
    let (mut session, opened) = Session::open(&mut harness.queue(), resumed).await;
    assert_eq!(opened.lost_tokens, Vec::<bytes::Bytes>::new());
    let reasons = session.settle([(held.lease_token, complete(""))]).await;
    assert_eq!(reasons, [""]);
}
