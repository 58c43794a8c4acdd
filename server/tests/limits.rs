//! Every limit of the gRPC port, seen on the wire.

mod support;

use std::time::Duration;

use leaseq_proto::v1::{GetRequest, GetResponse, NewJob, PutRequest};
use leaseq_server::config::Config;
use prost::Message;
use support::wire::{self, Wire};
use support::{Connection, KEY, config, config_with_key, page, start};
use tokio::io::AsyncReadExt;
use tonic::Code;

const GET: &str = "/leaseq.v1.QueueService/Get";
const INFO: &str = "/leaseq.v1.AdminService/GetServerInfo";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const WITH_KEY: &[(&str, &str)] = &[("authkey", KEY)];

/// Short enough for a test, long enough for a client that means well.
const SOON: Duration = Duration::from_millis(100);

fn with(edit: impl FnOnce(&mut Config)) -> Config {
    let mut config = config_with_key();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    edit(&mut config);
    config
}

/// The figure of the admin port whose line begins with this.
async fn figure(server: &leaseq_server::RunningServer, name: &str) -> u64 {
    let (_, text) = page(server.admin_addr().unwrap(), "/metrics", &[]).await;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_settings_on_the_wire_are_those_of_the_configuration() {
    let server = start(with(|config| {
        config.limits.streams_per_connection_max = 77;
        config.limits.header_bytes_max = 4096;
        config.http2.stream_window = 1 << 17;
    }))
    .await;
    let mut wire = Wire::open(server.grpc_addr()).await;
    let settings = wire.next_of(wire::SETTINGS).await.unwrap().settings();
    // By RFC 9113: 3 concurrent streams, 4 initial window, 6 header list: more is decoded than is
    // taken, so that a refusal can name the limit.
    for expected in [(3, 77), (4, 1 << 17), (6, 4 * 4096)] {
        assert!(settings.contains(&expected), "{expected:?} in {settings:?}");
    }
}

#[tokio::test]
async fn the_defaults_are_not_those_of_tonic() {
    let server = start(config_with_key()).await;
    let mut wire = Wire::open(server.grpc_addr()).await;
    let settings = wire.next_of(wire::SETTINGS).await.unwrap().settings();
    assert!(
        settings.contains(&(3, 1000)) && settings.contains(&(6, 4 * 8192)),
        "{settings:?}"
    );
}

#[tokio::test]
async fn one_call_too_many_on_a_connection_is_refused_and_the_others_go_on() {
    let server = start(with(|config| config.limits.streams_per_connection_max = 3)).await;
    let mut wire = Wire::open(server.grpc_addr()).await;
    // The heads of four calls whose bodies never come.
    let head = wire::call_head("/leaseq.v1.QueueService/PutStream", WITH_KEY);
    for stream in [1, 3, 5, 7] {
        wire.send(&wire::frame(
            wire::HEADERS,
            wire::END_HEADERS,
            stream,
            &head,
        ))
        .await;
    }
    let reset = wire.next_of(wire::RST_STREAM).await.unwrap();
    assert_eq!(
        (reset.stream, reset.error_code()),
        (7, wire::REFUSED_STREAM)
    );
}

#[tokio::test]
async fn connections_at_their_limit_of_calls_are_counted() {
    const FULL: &str = "leaseq_grpc_connections_at_call_limit ";
    let server = start(with(|config| config.limits.streams_per_connection_max = 3)).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let mut calls = Vec::new();
    for open in 1..=3 {
        // A call whose request does not come.
        calls.push(connection.begin(GET, WITH_KEY).await.unwrap());
        let full = u64::from(open == 3);
        while figure(&server, "leaseq_grpc_open_calls ").await < open {}
        assert_eq!(figure(&server, FULL).await, full, "{open} calls");
    }
    drop(calls.pop());
    while figure(&server, FULL).await != 0 {}
}

#[tokio::test]
async fn headers_far_over_the_limit_are_refused_and_the_connection_goes_on() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let long = "x".repeat(40_000);
    let (response, _body) = connection
        .begin(INFO, &[("authkey", KEY), ("long", &long)])
        .await
        .unwrap();
    assert_eq!(response.await.unwrap().status(), 431);
    assert_eq!(connection.code(HEALTH, &[]).await, Code::Ok);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_counted() {
    let server = start(with(|config| config.limits.connections_max = 2)).await;
    let first = Connection::open(server.grpc_addr()).await;
    let second = Connection::open(server.grpc_addr()).await;
    assert_eq!(first.code(INFO, WITH_KEY).await, Code::Ok);
    assert_eq!(second.code(INFO, WITH_KEY).await, Code::Ok);
    Wire::silent(server.grpc_addr()).await.closed().await;
    assert_eq!(
        figure(
            &server,
            r#"leaseq_limit_refusals_total{limit="limits.connections"}"#
        )
        .await,
        1
    );
    // A place that is given back can be taken.
    drop(first);
    loop {
        let mut wire = Wire::open(server.grpc_addr()).await;
        if wire.next().await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let server = start(with(|config| config.limits.connections_per_address_max = 1)).await;
    let first = Connection::open(server.grpc_addr()).await;
    assert_eq!(first.code(INFO, WITH_KEY).await, Code::Ok);
    // The client that is refused is told which limit it was.
    let mut refused = Wire::open(server.grpc_addr()).await;
    let goodbye = refused.next_of(wire::GOAWAY).await.unwrap();
    assert_eq!(goodbye.error_code(), wire::ENHANCE_YOUR_CALM);
    let reason = String::from_utf8_lossy(&goodbye.payload[8..]).into_owned();
    assert_eq!(
        reason,
        "LIMIT_REACHED: limits.connections_per_address of this server is 1"
    );
    refused.closed().await;
    assert_eq!(
        figure(
            &server,
            r#"leaseq_limit_refusals_total{limit="limits.connections_per_address"}"#
        )
        .await,
        1
    );
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = start(with(|config| config.limits.handshake_timeout = SOON)).await;
    Wire::silent(server.grpc_addr()).await.closed().await;
    // Half a preface is no better.
    let mut half = Wire::silent(server.grpc_addr()).await;
    half.send(&wire::PREFACE[..10]).await;
    half.closed().await;
    assert_eq!(
        figure(
            &server,
            r#"leaseq_grpc_connections_closed_total{reason="handshake_timeout"}"#
        )
        .await,
        2
    );
}

#[tokio::test]
async fn a_connection_without_a_call_that_is_let_in_is_sent_away() {
    let server = start(with(|config| config.limits.first_request_timeout = SOON)).await;
    let mut idle = Wire::open(server.grpc_addr()).await;
    assert!(idle.next_of(wire::GOAWAY).await.is_some());

    // A wrong key is no call that is let in.
    let stranger = Connection::open(server.grpc_addr()).await;
    let answer = stranger.answer_to_head(INFO, &[("authkey", "wrong")]).await;
    assert_eq!(answer.code, Code::Unauthenticated);
    while stranger.is_open().await {
        tokio::task::yield_now().await;
    }
    assert!(
        figure(
            &server,
            r#"leaseq_grpc_connections_closed_total{reason="first_request_timeout"}"#
        )
        .await
            >= 1
    );
}

#[tokio::test]
async fn whoever_showed_a_key_in_time_may_be_idle() {
    let server = start(with(|config| config.limits.first_request_timeout = SOON)).await;
    let known = Connection::open(server.grpc_addr()).await;
    let probe = Connection::open(server.grpc_addr()).await;
    assert_eq!(known.code(INFO, WITH_KEY).await, Code::Ok);
    assert_eq!(probe.code(HEALTH, &[]).await, Code::Ok);
    // The deadline of a later connection has passed, so theirs has.
    Wire::open(server.grpc_addr()).await.closed().await;
    assert!(known.is_open().await && probe.is_open().await);
    assert_eq!(known.code(INFO, WITH_KEY).await, Code::Ok);
}

#[tokio::test]
async fn a_browser_is_told_what_this_port_is() {
    let server = start(config()).await;
    let mut wire = Wire::silent(server.grpc_addr()).await;
    wire.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut text = String::new();
    wire.0.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("gRPC port"), "{text}");
}

/// Gives up Gets, `streams` at once, `bursts` times: at once with the request, or
/// when the server has them. The error code if the server ended the connection.
async fn give_up_gets(wire: &mut Wire, bursts: u32, streams: u32, at_once: bool) -> Option<u32> {
    let head = wire::call_head(GET, WITH_KEY);
    let request = support::framed(&GetRequest {
        queue: "jobs".to_owned(),
        wait: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..GetRequest::default()
    });
    for burst in 0..bursts {
        let ids = (0..streams).map(|n| 2 * (burst * streams + n) + 1);
        let (mut gets, mut resets) = (Vec::new(), Vec::new());
        for id in ids {
            gets.extend(wire::frame(wire::HEADERS, wire::END_HEADERS, id, &head));
            gets.extend(wire::frame(wire::DATA, wire::END_STREAM, id, &request));
            let reset = if at_once { &mut gets } else { &mut resets };
            reset.extend(wire::frame(
                wire::RST_STREAM,
                0,
                id,
                &wire::CANCEL.to_be_bytes(),
            ));
        }
        for bytes in [gets, resets] {
            if let Err(code) = wire.send_and_ping(&bytes).await {
                return Some(code);
            }
        }
    }
    None
}

#[tokio::test]
async fn honest_clients_may_give_up_any_number_of_gets() {
    // The test is faster than any honest client.
    let server = start(with(|config| {
        config.limits.abandoned_calls_max = 1_000_000;
    }))
    .await;
    // More in all than any limit that is counted over the life of a connection.
    let limits = Config::default().limits;
    let bursts = u32::try_from(limits.local_error_resets_max).unwrap() / 256 + 1;
    for at_once in [true, false] {
        let mut wire = Wire::open(server.grpc_addr()).await;
        assert_eq!(give_up_gets(&mut wire, bursts, 256, at_once).await, None);
    }

    // None of them takes a job.
    let connection = Connection::open(server.grpc_addr()).await;
    let put = PutRequest {
        queue: "jobs".to_owned(),
        jobs: vec![NewJob::default()],
        ..PutRequest::default()
    };
    let (_, put) = connection
        .call("/leaseq.v1.QueueService/Put", WITH_KEY, put)
        .await;
    assert_eq!(put.code, Code::Ok, "{put:?}");
    let get = GetRequest {
        queue: "jobs".to_owned(),
        wait: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..GetRequest::default()
    };
    let (bytes, got) = connection.call(GET, WITH_KEY, get).await;
    assert_eq!(got.code, Code::Ok, "{got:?}");
    assert_eq!(GetResponse::decode(bytes.as_slice()).unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = start(with(|config| config.limits.pending_accept_resets_max = 20)).await;
    let mut wire = Wire::open(server.grpc_addr()).await;
    let ended = give_up_gets(&mut wire, 1, 5_000, true).await;
    assert_eq!(ended, Some(wire::ENHANCE_YOUR_CALM));
    let name = r#"leaseq_grpc_connections_closed_total{reason="too_many_resets"}"#;
    while figure(&server, name).await != 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_flood_of_calls_that_are_given_up_ends_the_connection_before_they_are_served() {
    let server = start(with(|config| {
        config.limits.abandoned_calls_max = 100;
        config.limits.streams_per_connection_max = 100;
        // The bound of h2, which holds only for what one read brings.
        config.limits.pending_accept_resets_max = 100_000;
    }))
    .await;
    // As many as are open at once may be given up at once.
    let mut honest = Wire::open(server.grpc_addr()).await;
    assert_eq!(give_up_gets(&mut honest, 1, 100, true).await, None);

    let flood = 20_000;
    let mut wire = Wire::open(server.grpc_addr()).await;
    let (mut gets, head) = (Vec::new(), wire::call_head(GET, WITH_KEY));
    for id in (0..flood).map(|n| 2 * n + 1) {
        gets.extend(wire::frame(
            wire::HEADERS,
            wire::END_HEADERS | wire::END_STREAM,
            id,
            &head,
        ));
        let cancel = wire::CANCEL.to_be_bytes();
        gets.extend(wire::frame(wire::RST_STREAM, 0, id, &cancel));
    }
    wire.send(&gets).await;
    wire.closed().await;
    let ended = r#"leaseq_grpc_connections_closed_total{reason="too_many_resets"}"#;
    while figure(&server, ended).await != 1 {
        tokio::task::yield_now().await;
    }
    // The limits, and what was read before they were reached.
    let begun = "grpc_server_started_total{grpc_service=\"leaseq.v1.QueueService\",\
                 grpc_method=\"Get\"";
    assert!(figure(&server, begun).await < u64::from(flood) / 4);
}
