//! A session holds at most what it said it can, is told what it must know, and ends alone.

use bytes::Bytes;
use leaseq_proto::v1::lease_request::Request as Say;
use leaseq_proto::v1::lease_response::Response as Hear;
use leaseq_proto::v1::{
    CancelJobRequest, Drain, ExtendRequest, Flow, Heartbeat, JobState, Open, SettleRequest,
    Settlement,
};
use tonic::Code;

use crate::support::*;

fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = leaseq_proto::v1::NewJob> {
    range.map(|n| job(n.to_string()))
}

fn flow(max_jobs: u32, max_bytes: u64) -> Say {
    Say::Flow(Flow {
        max_jobs,
        max_bytes,
    })
}

#[tokio::test]
async fn jobs_are_delivered_settled_and_gone() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let (mut session, opened) = Session::open(&mut client, open(&["numbers"], 100)).await;
    assert!(!opened.session_id.is_empty());
    assert_eq!(opened.lease_duration, millis(30_000));
    assert_eq!(opened.heartbeat_interval, millis(10_000));
    put(&mut client, "numbers", numbers(0..100)).await;
    let jobs = session.jobs(100).await;
    let tokens = jobs.into_iter().map(|job| (job.lease_token, complete("")));
    let reasons = session.settle(tokens.collect::<Vec<_>>()).await;
    assert_eq!(reasons, [""; 100]);
    assert_eq!(get(&mut client, "numbers", 1).await, []);
}

#[tokio::test]
async fn without_flow_a_session_holds_one_job() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..3)).await;
    let unlimited = Open {
        flow: None,
        ..open(&["numbers"], 0)
    };
    let (mut session, _) = Session::open(&mut client, unlimited).await;
    for text in ["0", "1", "2"] {
        let jobs = session.jobs(1).await;
        assert_eq!(texts(&jobs), [text]);
        assert_eq!(session.catch_up().await, [], "one at a time");
        let token = jobs[0].lease_token.clone();
        session
            .say(Say::Settle(verdicts([(token, complete(""))])))
            .await;
        assert!(matches!(session.hear().await, Hear::Settled(_)));
    }
}

#[tokio::test]
async fn flow_limits_are_absolute_and_change_at_any_time() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..20)).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 3)).await;
    let mut held = session.jobs(3).await;
    assert_eq!(session.catch_up().await, []);
    // The same number again is no permission for more.
    session.say(flow(3, 0)).await;
    assert_eq!(session.catch_up().await, []);
    session.say(flow(5, 0)).await;
    held.extend(session.jobs(2).await);
    // Fewer than are held: nothing is taken away, nothing comes until there is room.
    session.say(flow(2, 0)).await;
    for job in held.drain(..3) {
        assert_eq!(
            session.settle([(job.lease_token, complete(""))]).await,
            [""]
        );
        assert_eq!(session.catch_up().await, []);
    }
    let job = held.remove(0);
    assert_eq!(
        session.settle([(job.lease_token, complete(""))]).await,
        [""]
    );
    assert_eq!(session.jobs(1).await.len(), 1);
    // Zero is a pause.
    session.say(flow(0, 0)).await;
    let job = held.remove(0);
    assert_eq!(
        session.settle([(job.lease_token, complete(""))]).await,
        [""]
    );
    assert_eq!(session.catch_up().await, []);
}

#[tokio::test]
async fn bytes_in_flight_are_limited_and_a_larger_job_comes_alone() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let kibibyte = "x".repeat(1024);
    let large = "y".repeat(10 * 1024);
    let jobs = [&*kibibyte, &kibibyte, &large, &kibibyte].map(job);
    put(&mut client, "numbers", jobs).await;
    let limited = Open {
        flow: Some(Flow {
            max_jobs: 100,
            max_bytes: 2 * 1024,
        }),
        ..open(&["numbers"], 0)
    };
    let (mut session, _) = Session::open(&mut client, limited).await;
    for expected in [2, 1, 1] {
        let jobs = session.jobs(expected).await;
        assert_eq!(session.catch_up().await, [], "no room for more");
        let tokens: Vec<_> = jobs
            .into_iter()
            .map(|j| (j.lease_token, complete("")))
            .collect();
        session.settle(tokens).await;
    }
}

/// A delivery that would not fit the 4 MiB that clients take comes in parts.
#[tokio::test]
async fn a_large_delivery_comes_in_messages_that_clients_take() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let large = "x".repeat(700 * 1024);
    for _ in 0..10 {
        put(&mut client, "large", [job(&large)]).await;
    }
    let (mut session, _) = Session::open(&mut client, open(&["large"], 100)).await;
    let jobs = session.jobs(10).await;
    assert!(
        jobs.windows(2).all(|pair| pair[0].id < pair[1].id),
        "in put order"
    );
}

#[tokio::test]
async fn a_heartbeat_is_answered_and_keeps_all_leases() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..2)).await;
    let short = Open {
        lease_duration: millis(300),
        ..open(&["numbers"], 2)
    };
    let (mut session, opened) = Session::open(&mut client, short).await;
    assert_eq!(opened.heartbeat_interval, millis(100));
    let jobs = session.jobs(2).await;
    let started = std::time::Instant::now();
    while started.elapsed() < std::time::Duration::from_millis(900) {
        session.say(Say::Heartbeat(Heartbeat {})).await;
        assert!(matches!(session.hear().await, Hear::Heartbeat(_)));
    }
    let tokens: Vec<_> = jobs
        .into_iter()
        .map(|j| (j.lease_token, complete("")))
        .collect();
    assert_eq!(session.settle(tokens).await, ["", ""]);
}

#[tokio::test]
async fn a_silent_session_expires_and_its_jobs_go_to_others() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..1)).await;
    let short = Open {
        lease_duration: millis(100),
        ..open(&["numbers"], 1)
    };
    let (mut session, _) = Session::open(&mut client, short).await;
    session.jobs(1).await;
    let status = session.end().await;
    assert_eq!(
        refusal(&status),
        (Code::Aborted, "SESSION_EXPIRED".to_owned())
    );
    assert_eq!(next(&mut client, "numbers").await.attempt, 2);
}

#[tokio::test]
async fn a_bad_entry_is_a_matter_of_its_entry() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..1)).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let job = session.jobs(1).await.remove(0);
    let garbage = Bytes::from_static(b"garbage");
    let mut request = verdicts([
        (garbage.clone(), complete("")),
        (job.lease_token, complete("")),
    ]);
    request.settlements.insert(0, Settlement::default());
    session.say(Say::Settle(request)).await;
    let Hear::Settled(settled) = session.hear().await else {
        panic!("not settled")
    };
    let reasons: Vec<_> = settled
        .results
        .iter()
        .map(|status| status.reason())
        .collect();
    assert_eq!(reasons, ["INVALID_FIELD", "LEASE_TOKEN_INVALID", ""]);
    assert!(
        settled.results[0]
            .message()
            .starts_with("settlements[0].verdict")
    );

    session
        .say(Say::Extend(ExtendRequest {
            lease_tokens: vec![garbage],
            ..ExtendRequest::default()
        }))
        .await;
    let Hear::Extended(extended) = session.hear().await else {
        panic!("not extended")
    };
    let status = extended.results[0].status.clone().unwrap();
    assert_eq!(status.reason(), "LEASE_TOKEN_INVALID");

    session.say(Say::Settle(SettleRequest::default())).await;
    let Hear::Settled(settled) = session.hear().await else {
        panic!("not settled")
    };
    assert_eq!(
        settled.results,
        [],
        "nothing said, nothing answered, nothing ended"
    );
}

#[tokio::test]
async fn the_worker_of_a_cancelled_job_is_told() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let ids = put(&mut client, "numbers", numbers(0..1)).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let job = session.jobs(1).await.remove(0);
    let cancel = CancelJobRequest {
        job_id: ids[0].clone(),
        reason: "not wanted".to_owned(),
    };
    let answer = client.cancel_job(cancel).await.unwrap().into_inner();
    assert_eq!(answer.state(), JobState::Leased);
    let Hear::Cancel(cancel) = session.hear().await else {
        panic!("not told")
    };
    assert_eq!(cancel.lease_tokens, std::slice::from_ref(&job.lease_token));
    assert_eq!(session.settle([(job.lease_token, release())]).await, [""]);
    assert_eq!(
        get(&mut client, "numbers", 1).await,
        [],
        "it has ended as cancelled"
    );
}

#[tokio::test]
async fn after_drain_nothing_comes_and_what_is_held_may_finish() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..2)).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let job = session.jobs(1).await.remove(0);
    session.say(Say::Drain(Drain::default())).await;
    assert_eq!(
        session.settle([(job.lease_token, complete(""))]).await,
        [""]
    );
    assert_eq!(session.catch_up().await, []);
    session.hang_up();
    assert!(
        session.heard().await.unwrap().is_none(),
        "the stream ends well"
    );
    assert_eq!(texts(&[next(&mut client, "numbers").await]), ["1"]);
}

#[tokio::test]
async fn what_was_said_before_hanging_up_is_answered() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", numbers(0..1)).await;
    let (mut session, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let job = session.jobs(1).await.remove(0);
    session
        .say(Say::Settle(verdicts([(job.lease_token, complete(""))])))
        .await;
    session.hang_up();
    assert!(matches!(session.hear().await, Hear::Settled(_)));
    assert!(
        session.heard().await.unwrap().is_none(),
        "the stream ends well"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_the_protocol_ends_alone() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let (mut good, _) = Session::open(&mut client, open(&["numbers"], 1)).await;

    let mut early = Session::silent(&mut client).await;
    early.say(Say::Heartbeat(Heartbeat {})).await;
    let (mut twice, _) = Session::open(&mut client, open(&["numbers"], 0)).await;
    twice.say(Say::Open(open(&["numbers"], 0))).await;
    for bad in [&mut early, &mut twice] {
        let status = bad.end().await;
        assert_eq!(
            refusal(&status),
            (Code::FailedPrecondition, "SESSION_PROTOCOL".to_owned())
        );
    }

    let (mut unknown, _) = Session::open(&mut client, open(&["numbers"], 0)).await;
    unknown.say_nothing().await;
    let status = unknown.end().await;
    assert_eq!(
        (status.code(), &*field(&status)),
        (Code::InvalidArgument, "request")
    );
    let (mut greedy, _) = Session::open(&mut client, open(&["numbers"], 0)).await;
    greedy.say(flow(10_001, 0)).await;
    let status = greedy.end().await;
    assert_eq!(
        (status.code(), &*field(&status)),
        (Code::InvalidArgument, "flow.max_jobs")
    );
    let mut nameless = Session::silent(&mut client).await;
    nameless.say(Say::Open(open(&[], 1))).await;
    let status = nameless.end().await;
    assert_eq!(
        (status.code(), &*field(&status)),
        (Code::InvalidArgument, "open.queues")
    );

    put(&mut client, "numbers", numbers(0..1)).await;
    assert_eq!(good.jobs(1).await.len(), 1, "others go on");
}
