//! Floods of any kind write a bounded number of log lines.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests over sockets"
)]
#[path = "../../../tests/support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::time::Instant;

use leaseq_proto::v1::PauseQueueRequest;
use leaseq_proto::v1::admin_service_client::AdminServiceClient;
use tonic::transport::Endpoint;

use super::super::throttle::{AUDIT_LINES_PER_SECOND, LINES_PER_SECOND};
use super::tests::{KEY, config, logged_while, with_key};
use super::*;
use crate::Server;
use wire::Wire;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const PUT: &str = "/leaseq.v1.QueueService/Put";

/// How often each thing is done: far more than may be logged.
const TIMES: usize = 600;

/// Runs a server while `flood` does its worst, and returns the lines about it at the default
/// level. There may be `lines_max` a second of each kind.
fn flood(lines_max: u64, flood: impl AsyncFnOnce(SocketAddr)) -> String {
    let throttle = Throttle::new();
    let began = Instant::now();
    let text = logged_while(false, LogLevel::Info, throttle.clone(), async {
        let server = Server::new(config()).start().await.unwrap();
        server.ready().await.unwrap();
        flood(server.grpc_addr()).await;
        server.shutdown(std::time::Duration::ZERO).await.unwrap();
        throttle.report();
    });
    // Started, stopped, a report; and the flood, in every second that it touched.
    let seconds = began.elapsed().as_secs() + 2;
    let lines = text.lines().count() as u64;
    assert!(lines <= 10 + lines_max * seconds, "{lines} lines\n{text}");
    assert!(!text.contains("ERROR"), "{text}");
    text
}

/// Sends a health check with this body, again and again.
async fn checks(addr: SocketAddr, body: Option<&[u8]>) {
    let mut wire = Wire::open(addr).await;
    let head = wire::call_head(CHECK, &[]);
    for stream in (1..).step_by(2).take(TIMES) {
        let flags = wire::END_HEADERS | if body.is_none() { wire::END_STREAM } else { 0 };
        let mut frames = wire::frame(wire::HEADERS, flags, stream, &head);
        if let Some(body) = body {
            frames.extend(wire::frame(wire::DATA, wire::END_STREAM, stream, body));
        }
        wire.send_and_ping(&frames).await.unwrap();
    }
}

#[test]
fn pings_that_were_not_asked_for_write_no_lines() {
    flood(LINES_PER_SECOND, async |addr| {
        let mut wire = Wire::open(addr).await;
        let ack = wire::frame(wire::PING, wire::ACK, 0, b"12345678");
        wire.send_and_ping(&ack.repeat(TIMES)).await.unwrap();
    });
}

#[test]
fn health_checks_that_cannot_be_read_are_no_errors_of_the_server() {
    let bodies: [Option<&[u8]>; 4] = [
        None,
        Some(&[0, 0, 0, 0, 3, 0xff, 0xff, 0xff]),
        Some(&[1, 0, 0, 0, 0]),
        Some(&[0, 0xff, 0xff, 0xff, 0xff]),
    ];
    for body in bodies {
        flood(LINES_PER_SECOND, async |addr| checks(addr, body).await);
    }
}

#[test]
fn health_checks_that_are_reset_are_no_errors_of_the_server() {
    // Reset for no error and for one, with the request half sent.
    for code in [0_u32, 1, 8] {
        flood(LINES_PER_SECOND, async |addr| {
            let mut wire = Wire::open(addr).await;
            let head = wire::call_head(CHECK, &[]);
            // As many as the server lets a client do in one go.
            for stream in (1..).step_by(2).take(20) {
                wire.send(&wire::frame(
                    wire::HEADERS,
                    wire::END_HEADERS,
                    stream,
                    &head,
                ))
                .await;
                wire.send_and_ping(&wire::frame(wire::DATA, 0, stream, &[0, 0]))
                    .await
                    .unwrap();
                let reset = wire::frame(wire::RST_STREAM, 0, stream, &code.to_be_bytes());
                wire.send_and_ping(&reset).await.unwrap();
            }
        });
    }
}

#[test]
fn connections_that_break_within_a_put_are_no_errors_of_the_server() {
    flood(LINES_PER_SECOND, async |addr| {
        let head = wire::call_head(PUT, &[("authkey", KEY)]);
        for _ in 0..100 {
            let mut wire = Wire::open(addr).await;
            wire.send(&wire::frame(wire::HEADERS, wire::END_HEADERS, 1, &head))
                .await;
            wire.send_and_ping(&wire::frame(wire::DATA, 0, 1, &[0, 0, 0, 1, 0, 7]))
                .await
                .unwrap();
        }
    });
}

#[test]
fn calls_without_a_key_are_logged_up_to_a_limit_and_then_counted() {
    let text = flood(LINES_PER_SECOND, async |addr| {
        let mut wire = Wire::open(addr).await;
        let head = wire::call_head(PUT, &[]);
        let flags = wire::END_HEADERS | wire::END_STREAM;
        for stream in (1..).step_by(2).take(TIMES) {
            let frame = wire::frame(wire::HEADERS, flags, stream, &head);
            wire.send_and_ping(&frame).await.unwrap();
        }
    });
    assert!(text.contains("call refused"), "{text}");
    assert!(
        text.contains("more log lines of this kind were left out"),
        "{text}"
    );
}

#[test]
fn audit_lines_have_a_limit_of_their_own() {
    let times = 3 * LINES_PER_SECOND;
    let text = flood(AUDIT_LINES_PER_SECOND, async |addr| {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
        let mut admin = AdminServiceClient::new(endpoint.connect().await.unwrap());
        for _ in 0..times {
            let pause = PauseQueueRequest {
                queue: "mail".to_owned(),
            };
            admin.pause_queue(with_key(KEY, pause)).await.unwrap_err();
        }
    });
    let audited = text.lines().filter(|line| line.contains("admin call"));
    assert_eq!(audited.count() as u64, times, "{text}");
}
