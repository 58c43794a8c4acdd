//! What a peer can make the server hold, at most: one test for each row of the table in
//! docs/SEMANTICS.md that is not in limits.rs.

mod support;

use std::time::Duration;

use leaseq_proto::v1::{GetRequest, GetResponse, LeasedJob, NewJob, PutRequest};
use leaseq_server::RunningServer;
use leaseq_server::config::Config;
use prost::Message;
use support::{Connection, KEY, config_with_key, framed, page, start};
use tonic::Code;

const PUT: &str = "/leaseq.v1.QueueService/Put";
const GET: &str = "/leaseq.v1.QueueService/Get";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const WITH_KEY: &[(&str, &str)] = &[("authkey", KEY)];

/// Short enough for a test, long enough for a client that means well.
const SOON: Duration = Duration::from_millis(100);

async fn with(edit: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config = config_with_key();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    edit(&mut config);
    start(config).await
}

/// The figure of the admin port whose line begins with this; 0: there is none yet.
async fn figure(server: &RunningServer, name: &str) -> usize {
    let (_, text) = page(server.admin_addr().unwrap(), "/metrics", &[]).await;
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn put(server: &RunningServer, jobs: usize, bytes: usize) {
    let connection = Connection::open(server.grpc_addr()).await;
    for _ in 0..jobs {
        let request = PutRequest {
            queue: "jobs".to_owned(),
            jobs: vec![NewJob {
                payload: vec![7; bytes].into(),
                ..NewJob::default()
            }],
            ..PutRequest::default()
        };
        let (_, answer) = connection.call(PUT, WITH_KEY, request).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
    }
}

fn get_request(seconds: i64) -> GetRequest {
    GetRequest {
        queue: "jobs".to_owned(),
        wait: Some(prost_types::Duration { seconds, nanos: 0 }),
        lease_duration: Some(prost_types::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        ..GetRequest::default()
    }
}

async fn get(connection: &Connection, seconds: i64) -> Option<LeasedJob> {
    let (bytes, answer) = connection.call(GET, WITH_KEY, get_request(seconds)).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    let mut jobs = GetResponse::decode(bytes.as_slice()).unwrap().jobs;
    let job = jobs.pop()?;
    Some(LeasedJob::decode(job).unwrap())
}

#[tokio::test]
async fn a_stranger_sends_no_more_than_the_name_of_a_service() {
    let server = with(|_| {}).await;
    let stranger = Connection::open(server.grpc_addr()).await;
    for method in [CHECK, WATCH] {
        let (response, mut body) = stranger.begin(method, &[]).await.unwrap();
        // 4 MiB are announced and hardly any of it is sent.
        let head = bytes::Bytes::from_static(&[0, 0, 0x40, 0, 0, 1, 2, 3]);
        body.send_data(head, false).unwrap();
        let (_, answer) = support::answer(response).await;
        assert_ne!(answer.code, Code::Ok, "{answer:?}");
    }
}

#[tokio::test]
async fn a_stranger_has_a_handful_of_calls() {
    let server = with(|config| config.limits.unauthenticated_calls_max = 3).await;
    let stranger = Connection::open(server.grpc_addr()).await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        let (response, mut body) = stranger.begin(WATCH, &[]).await.unwrap();
        body.send_data(framed(&()), true).unwrap();
        watches.push(response.await.unwrap().into_body());
    }
    let (_, answer) = stranger.call(CHECK, &[], ()).await;
    assert_eq!(
        (answer.code, answer.reason.as_str()),
        (Code::ResourceExhausted, "LIMIT_REACHED"),
        "{answer:?}"
    );
    assert!(answer.message.contains("limits.unauthenticated_calls"));
    // A call that has ended leaves its place to another.
    drop(watches.pop());
    while stranger.code(CHECK, &[]).await != Code::Ok {}
    // With a key there is no such bound.
    assert_eq!(
        stranger
            .code("/leaseq.v1.AdminService/GetServerInfo", WITH_KEY)
            .await,
        Code::Ok
    );
    for _ in 0..3 {
        let (response, mut body) = stranger.begin(WATCH, &[]).await.unwrap();
        body.send_data(framed(&()), true).unwrap();
        assert!(
            response
                .await
                .unwrap()
                .headers()
                .get("grpc-status")
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_request_that_does_not_come_ends() {
    let server = with(|config| {
        config.limits.first_request_timeout = SOON;
        config.limits.request_timeout = 2 * SOON;
    })
    .await;
    let cases = [
        (CHECK, &[][..], "limits.first_request_timeout"),
        (PUT, WITH_KEY, "limits.request_timeout"),
    ];
    for (method, headers, limit) in cases {
        let connection = Connection::open(server.grpc_addr()).await;
        // The head, and a part of the message.
        let (response, mut body) = connection.begin(method, headers).await.unwrap();
        let part = bytes::Bytes::from_static(&[0, 0, 0, 0, 9, 1]);
        body.send_data(part, false).unwrap();
        let (_, answer) = support::answer(response).await;
        assert_eq!(answer.reason, "LIMIT_REACHED", "{answer:?}");
        assert!(answer.message.contains(limit), "{answer:?}");
    }
}

#[tokio::test]
async fn answers_that_are_not_read_take_credit_and_those_beyond_are_refused() {
    let (jobs, bytes, credit) = (20, 512 << 10, 4 << 20);
    let server = with(|config| config.limits.unread_bytes_per_connection_max = credit).await;
    put(&server, jobs, bytes).await;
    let closed = Connection::with_window(server.grpc_addr(), 0).await;
    let mut calls = Vec::new();
    for _ in 0..jobs {
        let (response, mut body) = closed.begin(GET, WITH_KEY).await.unwrap();
        body.send_data(framed(&get_request(0)), true).unwrap();
        calls.push(response);
    }
    // Eight answers would be a little more than the credit.
    let held = credit / bytes - 1;
    let refusals = r#"leaseq_limit_refusals_total{limit="limits.unread_bytes_per_connection"}"#;
    while figure(&server, refusals).await < jobs - held {
        tokio::task::yield_now().await;
    }
    let unread = figure(&server, "leaseq_grpc_unread_bytes").await;
    assert!((held * bytes..=credit).contains(&unread), "{unread}");
    // The jobs of the others are there, uncounted. Another connection has credit of its own.
    let honest = Connection::open(server.grpc_addr()).await;
    for _ in held..jobs {
        assert_eq!(get(&honest, 60).await.unwrap().attempt, 1);
    }
    assert!(get(&honest, 0).await.is_none());
    // With the connection, its credit comes back, and so do its jobs.
    drop((calls, closed));
    for _ in 0..held {
        assert_eq!(get(&honest, 60).await.unwrap().attempt, 1);
    }
    while figure(&server, "leaseq_grpc_unread_bytes").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_of_which_nothing_is_taken_goes_back() {
    let server = with(|config| config.http2.keepalive_timeout = SOON).await;
    put(&server, 1, 512 << 10).await;
    // Some of it may be taken, which is not all of it.
    for window in [0, 1000] {
        let closed = Connection::with_window(server.grpc_addr(), window).await;
        let (response, mut body) = closed.begin(GET, WITH_KEY).await.unwrap();
        body.send_data(framed(&get_request(60)), true).unwrap();
        let _answer = response.await.unwrap();
        let honest = Connection::open(server.grpc_addr()).await;
        let job = get(&honest, 60).await.unwrap();
        assert_eq!(job.attempt, 1);
        let stalled = figure(&server, "leaseq_grpc_stalled_calls_total").await;
        assert!(stalled >= 1);
        // For the next round.
        put(&server, 1, 512 << 10).await;
    }
}
