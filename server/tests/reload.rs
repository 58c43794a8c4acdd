//! Keys and certificates are replaced while the server runs, and no connection is
//! dropped for it.

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use leaseq_proto::v1::lease_request::Request;
use leaseq_proto::v1::{GetRequest, LeaseRequest, Open};
use leaseq_server::RunningServer;
use leaseq_server::config::Config;
use support::{Connection, answer, config, framed, start};
use tonic::Code;

const INFO: &str = "/leaseq.v1.AdminService/GetServerInfo";
const LEASE: &str = "/leaseq.v1.QueueService/Lease";
const GET: &str = "/leaseq.v1.QueueService/Get";

const FIRST: &str = "the-first-of-the-two-keys";
const SECOND: &str = "the-second-of-the-two-keys";

/// A revoked key's streams end within this time: a promise.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

fn write_keys(file: &Path, keys: &[(&str, &str)]) {
    let entry = |(key, roles): &(&str, &str)| {
        format!("[[key]]\nname='{key}'\nkey='{key}'\nroles=[{roles}]\n")
    };
    fs::write(file, keys.iter().map(entry).collect::<String>()).unwrap();
}

async fn start_with(file: &Path) -> RunningServer {
    start(Config {
        keys_file: Some(file.to_owned()),
        ..config()
    })
    .await
}

/// Waits until a call with this key is answered with this code.
async fn until(connection: &Connection, key: &str, code: Code) {
    while connection.code(INFO, &[("authkey", key)]).await != code {
        tokio::task::yield_now().await;
    }
}

fn open() -> LeaseRequest {
    LeaseRequest {
        request: Some(Request::Open(Open {
            queues: vec!["jobs".to_owned()],
            ..Open::default()
        })),
    }
}

#[tokio::test]
async fn a_new_key_works_and_an_old_one_does_not_on_the_same_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    write_keys(&file, &[(FIRST, "'put'")]);
    let server = start_with(&file).await;
    let connection = Connection::open(server.grpc_addr()).await;
    assert_eq!(connection.code(INFO, &[("authkey", FIRST)]).await, Code::Ok);
    assert_eq!(
        connection.code(INFO, &[("authkey", SECOND)]).await,
        Code::Unauthenticated
    );

    write_keys(&file, &[(SECOND, "'put'")]);
    until(&connection, SECOND, Code::Ok).await;
    assert_eq!(
        connection.code(INFO, &[("authkey", FIRST)]).await,
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn streams_and_waits_of_a_revoked_key_end_within_a_second_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    write_keys(&file, &[(FIRST, "'work'"), (SECOND, "'work'")]);
    let server = start_with(&file).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let session = |key: &'static str| async {
        let (response, mut body) = connection.begin(LEASE, &[("authkey", key)]).await.unwrap();
        body.send_data(framed(&open()), false).unwrap();
        let response = response.await.unwrap();
        (response.into_body(), body)
    };
    let (mut revoked, _keep) = session(FIRST).await;
    let (mut kept, _keep_too) = session(SECOND).await;
    // The sessions are open: each has its first message.
    assert!(revoked.data().await.is_some() && kept.data().await.is_some());
    let get = GetRequest {
        queue: "jobs".to_owned(),
        wait: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..GetRequest::default()
    };
    let (waiting, mut body) = connection.begin(GET, &[("authkey", FIRST)]).await.unwrap();
    body.send_data(framed(&get), true).unwrap();

    write_keys(&file, &[(SECOND, "'work'")]);
    let since = Instant::now();
    while revoked.data().await.is_some() {}
    let trailers = revoked.trailers().await.unwrap().unwrap();
    assert!(since.elapsed() < REVOKED_WITHIN, "{:?}", since.elapsed());
    assert_eq!(trailers["grpc-status"], "16");
    let (_, waited) = answer(waiting).await;
    assert_eq!(
        (waited.code, waited.reason.as_str()),
        (Code::Unauthenticated, "AUTHKEY_REVOKED")
    );
    assert!(!kept.is_end_stream());
    assert_eq!(
        connection.code(INFO, &[("authkey", SECOND)]).await,
        Code::Ok
    );
}

#[tokio::test]
async fn a_key_that_loses_a_role_is_revoked_and_one_that_gains_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    write_keys(&file, &[(FIRST, "'work','read'"), (SECOND, "'work'")]);
    let server = start_with(&file).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let mut sessions = Vec::new();
    for key in [FIRST, SECOND] {
        let (response, mut body) = connection.begin(LEASE, &[("authkey", key)]).await.unwrap();
        body.send_data(framed(&open()), false).unwrap();
        let mut response = response.await.unwrap().into_body();
        assert!(response.data().await.is_some());
        sessions.push((response, body));
    }
    write_keys(&file, &[(FIRST, "'work'"), (SECOND, "'work','read'")]);
    server.reload();
    let (loser, _) = &mut sessions[0];
    while loser.data().await.is_some() {}
    assert_eq!(
        loser.trailers().await.unwrap().unwrap()["grpc-status"],
        "16"
    );
    assert!(!sessions[1].0.is_end_stream());
}

#[tokio::test]
async fn a_broken_or_missing_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    write_keys(&file, &[(FIRST, "'put'")]);
    let server = start_with(&file).await;
    let connection = Connection::open(server.grpc_addr()).await;
    for broken in [Some("[[key]]\nname = "), Some(""), None] {
        match broken {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        server.reload();
        assert_eq!(connection.code(INFO, &[("authkey", FIRST)]).await, Code::Ok);
    }
    // Nor does it keep a good one from being used afterwards.
    write_keys(&file, &[(SECOND, "'put'")]);
    until(&connection, SECOND, Code::Ok).await;
}

#[tokio::test]
async fn a_single_key_in_a_file_is_replaced_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authkey");
    fs::write(&file, format!("{FIRST}\n")).unwrap();
    let server = start(Config {
        authkey_file: Some(file.clone()),
        ..config()
    })
    .await;
    let connection = Connection::open(server.grpc_addr()).await;
    assert_eq!(connection.code(INFO, &[("authkey", FIRST)]).await, Code::Ok);
    fs::write(&file, format!("{SECOND}\n")).unwrap();
    until(&connection, SECOND, Code::Ok).await;
    assert_eq!(
        connection.code(INFO, &[("authkey", FIRST)]).await,
        Code::Unauthenticated
    );
}
