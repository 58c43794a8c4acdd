//! A worker whose stream broke comes back and keeps what it runs; one that does not loses it.

use bytes::Bytes;
use leaseq_proto::v1::Open;

use crate::support::*;

fn with_grace(millis: u64, held_tokens: Vec<Bytes>) -> Open {
    Open {
        grace: self::millis(millis),
        held_tokens,
        ..open(&["numbers"], 2)
    }
}

#[tokio::test]
async fn a_worker_that_comes_back_in_time_keeps_its_leases() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1"), job("2")]).await;
    let (mut session, opened) = Session::open(&mut client, with_grace(20_000, vec![])).await;
    assert_eq!(opened.grace, millis(20_000));
    let held: Vec<_> = session
        .jobs(2)
        .await
        .into_iter()
        .map(|job| job.lease_token)
        .collect();
    drop(session);

    let garbage = Bytes::from_static(b"garbage");
    let mut named = held.clone();
    named.push(garbage.clone());
    let (mut session, opened) = Session::open(&mut client, with_grace(20_000, named)).await;
    assert_eq!(opened.lost_tokens, [garbage]);
    assert_eq!(
        session.catch_up().await,
        [],
        "what it holds counts towards its limit"
    );
    let reasons = session
        .settle(held.into_iter().map(|token| (token, complete(""))))
        .await;
    assert_eq!(reasons, ["", ""]);
}

#[tokio::test]
async fn a_worker_that_does_not_come_back_loses_its_jobs_after_the_grace() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1"), job("2")]).await;
    let (mut session, _) = Session::open(&mut client, with_grace(0, vec![])).await;
    let held = session.jobs(2).await;
    drop(session);
    // Ready again, in their old places.
    let again = [
        next(&mut client, "numbers").await,
        next(&mut client, "numbers").await,
    ];
    assert_eq!(texts(&again), ["1", "2"]);
    assert!(
        again.iter().all(|job| job.attempt == 2),
        "the worker may have begun"
    );

    let tokens: Vec<_> = held.into_iter().map(|job| job.lease_token).collect();
    let late = with_grace(0, tokens.clone());
    let (_session, opened) = Session::open(&mut client, late).await;
    assert_eq!(opened.lost_tokens.len(), 2);
    assert!(
        opened
            .lost_tokens
            .iter()
            .all(|token| tokens.contains(token))
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_stream_that_broke() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let mut other = harness.other().await;
    let (mut session, _) = Session::open(&mut other, with_grace(0, vec![])).await;
    session.jobs(1).await;
    drop((session, other));
    assert_eq!(next(&mut client, "numbers").await.attempt, 2);
}
