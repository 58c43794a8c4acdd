//! What is wrong with a request is named, and nothing of it is done.

use bytes::Bytes;
use leaseq_proto::v1::{
    CreateQueueRequest, ExtendRequest, GetRequest, JobOptions, PutRequest, Queue as QueueProto,
    RetryPolicy, SettleRequest, Settlement, WaitQueueRequest,
};
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn strange_queue_names() {
    let harness = Harness::start().await;
    let (mut client, mut admin) = (harness.queue(), harness.admin());
    for name in [
        "",
        "-first",
        "a b",
        "a/b",
        "ümlaut",
        "a\n",
        &"a".repeat(129),
    ] {
        refused_field(client.put(put_of(name, [job("1")])).await, BAD, "queue");
        refused_field(client.get(get_of(name, 1)).await, BAD, "queue");
        let queue = name.to_owned();
        let wait = WaitQueueRequest {
            queue: queue.clone(),
            ..WaitQueueRequest::default()
        };
        refused_field(client.wait_queue(wait).await, BAD, "queue");
        let queue = Some(QueueProto {
            name: queue,
            ..QueueProto::default()
        });
        refused_field(
            admin.create_queue(CreateQueueRequest { queue }).await,
            BAD,
            "queue.name",
        );
    }
    refused_field(
        admin.create_queue(CreateQueueRequest { queue: None }).await,
        BAD,
        "queue.name",
    );
    assert_eq!(queue_count(&harness).await, 0);
}

#[tokio::test]
async fn puts() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let retry = RetryPolicy {
        jitter: Some(2.0),
        ..RetryPolicy::default()
    };
    let put = |request: PutRequest| PutRequest {
        queue: "numbers".into(),
        ..request
    };
    let good = || put_of("numbers", [job("1")]);
    let cases = [
        (put_of("numbers", []), "jobs"),
        (put_of("numbers", vec![job("1"); 1001]), "jobs"),
        (
            PutRequest {
                request_id: "seven".into(),
                ..good()
            },
            "request_id",
        ),
        (
            PutRequest {
                wait: negative(),
                ..good()
            },
            "wait",
        ),
        (
            put_of(
                "numbers",
                [
                    job("1"),
                    job("2").with(JobOptions {
                        priority: 1001,
                        ..JobOptions::default()
                    }),
                ],
            ),
            "jobs[1].priority",
        ),
        (
            put_of(
                "numbers",
                [job("1").with(JobOptions {
                    retry: Some(retry),
                    ..JobOptions::default()
                })],
            ),
            "jobs[0].retry.jitter",
        ),
        (
            put_of(
                "numbers",
                [job("1").with(JobOptions {
                    reply_to: "?".into(),
                    ..JobOptions::default()
                })],
            ),
            "jobs[0].reply_to",
        ),
        (
            put_of(
                "numbers",
                [job("1").with(JobOptions {
                    max_run_time: negative(),
                    ..JobOptions::default()
                })],
            ),
            "jobs[0].max_run_time",
        ),
    ];
    for (request, named) in cases {
        refused_field(client.put(put(request)).await, BAD, named);
    }
    assert_eq!(queue_count(&harness).await, 0, "nothing of it was done");
}

#[tokio::test]
async fn payloads_and_requests_over_the_limit() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let large = "x".repeat((1 << 20) + 1);
    let answer = client.put(put_of("numbers", [job("1"), job(&large)])).await;
    let status = answer.as_ref().unwrap_err();
    let info = tonic_types::StatusExt::get_details_error_info(status).unwrap();
    assert_eq!(info.metadata["max"], (1 << 20).to_string());
    refused_field(answer, "PAYLOAD_TOO_LARGE", "jobs[1].payload");

    // More than the server reads at all.
    let huge = "x".repeat(5 << 20);
    let answer = client.put(put_of("numbers", [job(&huge)])).await;
    let status = answer.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::InvalidArgument, "PAYLOAD_TOO_LARGE".to_owned())
    );
    assert_eq!(queue_count(&harness).await, 0, "nothing of it was done");
    // The connection is as good as before.
    put(&mut client, "numbers", [job("1")]).await;
}

#[tokio::test]
async fn gets() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let good = || get_of("numbers", 1);
    let cases = [
        (get_of("numbers", 1001), "max_jobs"),
        (
            GetRequest {
                wait: negative(),
                ..good()
            },
            "wait",
        ),
        (
            GetRequest {
                lease_duration: negative(),
                ..good()
            },
            "lease_duration",
        ),
        (
            GetRequest {
                lease_duration: millis(99),
                ..good()
            },
            "lease_duration",
        ),
        (
            GetRequest {
                lease_duration: millis(86_400_001),
                ..good()
            },
            "lease_duration",
        ),
        (
            GetRequest {
                worker: "w".repeat(129),
                ..good()
            },
            "worker",
        ),
    ];
    for (request, named) in cases {
        refused_field(client.get(request).await, BAD, named);
    }
}

#[tokio::test]
async fn settlements_and_extensions() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let leased = get(&mut client, "numbers", 1).await.remove(0);
    let token = || leased.lease_token.clone();

    refused_field(
        client.settle(SettleRequest::default()).await,
        BAD,
        "settlements",
    );
    let many = verdicts(vec![(token(), complete("")); 1001]);
    refused_field(client.settle(many).await, BAD, "settlements");
    let mut unsaid = verdicts([(token(), complete(""))]);
    unsaid.settlements.push(Settlement {
        lease_token: token(),
        verdict: None,
    });
    refused_field(client.settle(unsaid).await, BAD, "settlements[1].verdict");
    let garbage = Bytes::from_static(b"garbage");
    let answer = client
        .settle(verdicts([(garbage.clone(), complete(""))]))
        .await;
    refused_field(answer, "LEASE_TOKEN_INVALID", "settlements[0].lease_token");
    let large = "x".repeat((1 << 20) + 1).leak();
    let answer = client.settle(verdicts([(token(), complete(large))])).await;
    refused_field(
        answer,
        "PAYLOAD_TOO_LARGE",
        "settlements[0].complete.result",
    );

    let extend = |tokens: Vec<Bytes>| ExtendRequest {
        lease_tokens: tokens,
        ..ExtendRequest::default()
    };
    refused_field(client.extend(extend(vec![])).await, BAD, "lease_tokens");
    let answer = client.extend(extend(vec![garbage])).await;
    refused_field(answer, "LEASE_TOKEN_INVALID", "lease_tokens[0]");
    let negative = ExtendRequest {
        lease_duration: negative(),
        ..extend(vec![token()])
    };
    refused_field(client.extend(negative).await, BAD, "lease_duration");
    let long = ExtendRequest {
        progress: "p".repeat(1025),
        ..extend(vec![token()])
    };
    refused_field(client.extend(long).await, BAD, "progress");

    settle_one(&mut client, &leased, complete("")).await; // The lease is as it was.
}
