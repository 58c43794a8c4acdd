//! Who gets in: every method of the server against every way to be wrong, each
//! answered from the head of the call alone.

mod support;

use std::fs;
use std::path::PathBuf;

use leaseq_proto::v1::{GetQueueRequest, GetRequest, ListQueuesResponse, NewJob, PutRequest};
use leaseq_server::config::{Config, Reflection};
use prost::Message;
use prost_types::FileDescriptorSet;
use support::{Connection, KEY, config, config_with_key, page, start};
use tonic::Code;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

const PUT: &str = "/leaseq.v1.QueueService/Put";
const INFO: &str = "/leaseq.v1.AdminService/GetServerInfo";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The paths of all methods of the API, with the roles that their comments name.
fn methods() -> Vec<(String, Vec<String>)> {
    let set = FileDescriptorSet::decode(leaseq_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut methods = Vec::new();
    for file in &set.file {
        for (s, service) in (0..).zip(&file.service) {
            for (m, method) in (0..).zip(&service.method) {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let info = file.source_code_info.as_ref().unwrap();
                let place = info
                    .location
                    .iter()
                    .find(|place| place.path == [6, s, 2, m])
                    .unwrap();
                let comment = place.leading_comments();
                let roles = comment
                    .split("Roles: ")
                    .nth(1)
                    .unwrap()
                    .trim()
                    .trim_end_matches('.');
                let roles = roles.replace(" or ", ", ");
                methods.push((path, roles.split(", ").map(str::to_owned).collect()));
            }
        }
    }
    assert!(methods.len() > 15);
    methods
}

/// The key of a role.
fn key(role: &str) -> String {
    format!("the-key-of-the-role-{role}")
}

/// A configuration with a key for each role, and one for the queues `mine.*`.
fn with_keys(dir: &tempfile::TempDir) -> Config {
    let mut text = String::new();
    for role in ["put", "work", "read", "admin"] {
        text += &format!(
            "[[key]]\nname='{role}'\nkey='{}'\nroles=['{role}']\n",
            key(role)
        );
    }
    text += &format!(
        "[[key]]\nname='mine'\nkey='{}'\nroles=['put','work','read','admin']\nqueues=['mine.*']\n",
        key("mine")
    );
    text += &format!(
        "[[key]]\nname='over'\nkey='{}'\nroles=['put']\nexpires=2020-01-01T00:00:00Z\n",
        key("over")
    );
    let file: PathBuf = dir.path().join("keys.toml");
    fs::write(&file, text).unwrap();
    Config {
        keys_file: Some(file),
        ..config()
    }
}

#[tokio::test]
async fn every_method_is_closed_to_strangers_before_the_body_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_keys(&dir)).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let mut paths: Vec<String> = methods().into_iter().map(|(path, _)| path).collect();
    paths.extend(REFLECTION.map(str::to_owned));
    paths.push("/leaseq.v1.QueueService/NoSuchMethod".to_owned());
    let over = key("over");
    for path in paths {
        let answer = connection.answer_to_head(&path, &[]).await;
        assert_eq!(answer.code, Code::Unauthenticated, "{path}");
        assert_eq!(answer.reason, "AUTHKEY_MISSING", "{path}");

        let mut texts = Vec::new();
        for wrong in ["", "x", "the-key-of-the-role-", over.as_str()] {
            let answer = connection
                .answer_to_head(&path, &[("authkey", wrong)])
                .await;
            assert_eq!(answer.code, Code::Unauthenticated, "{path}");
            assert_eq!(answer.reason, "AUTHKEY_REJECTED", "{path}");
            texts.push(answer.message);
        }
        // Unknown and expired keys cannot be told apart, and nothing is said about them.
        texts.dedup();
        assert_eq!(texts, ["the authkey is not one of this server's"]);
    }
}

#[tokio::test]
async fn every_method_is_closed_to_keys_without_its_role_before_the_body_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_keys(&dir)).await;
    let connection = Connection::open(server.grpc_addr()).await;
    for (path, roles) in methods() {
        for role in ["put", "work", "read", "admin"] {
            if roles.iter().any(|needed| needed == role || needed == "any") {
                continue;
            }
            let answer = connection
                .answer_to_head(&path, &[("authkey", &key(role))])
                .await;
            assert_eq!(answer.code, Code::PermissionDenied, "{path} {role}");
            assert_eq!(answer.reason, "ROLE_MISSING", "{path} {role}");
            assert!(
                answer.message.contains(&format!("{role:?}")),
                "{}",
                answer.message
            );
            assert!(answer.message.contains(&roles[0]), "{}", answer.message);
        }
    }
}

#[tokio::test]
async fn a_known_key_is_told_that_a_method_does_not_exist() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    for path in ["/leaseq.v1.QueueService/NoSuchMethod", "/", "/a/b/c"] {
        let answer = connection.answer_to_head(path, &[("authkey", KEY)]).await;
        assert_eq!(answer.code, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn both_ways_to_send_a_key_are_understood() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let bearer = format!("Bearer {KEY}");
    let small = format!("bearer {KEY}");
    for right in [
        ("authkey", KEY),
        ("authorization", &bearer),
        ("authorization", &small),
    ] {
        assert_eq!(connection.code(INFO, &[right]).await, Code::Ok, "{right:?}");
    }
    let basic = format!("Basic {KEY}");
    for wrong in [
        ("authorization", KEY),
        ("authorization", &basic),
        ("key", KEY),
    ] {
        let code = connection.answer_to_head(INFO, &[wrong]).await.code;
        assert_eq!(code, Code::Unauthenticated, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_key_reaches_its_own_queues_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_keys(&dir)).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let mine = key("mine");
    let mine = [("authkey", mine.as_str())];
    let put = |queue: &str| PutRequest {
        queue: queue.to_owned(),
        jobs: vec![NewJob::default()],
        ..PutRequest::default()
    };
    let other = key("put");
    for (queue, headers) in [("mine.a", mine), ("theirs", [("authkey", other.as_str())])] {
        let (_, answer) = connection.call(PUT, &headers, put(queue)).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
    }

    let get = GetRequest {
        queue: "theirs".to_owned(),
        ..GetRequest::default()
    };
    let show = GetQueueRequest {
        queue: "theirs".to_owned(),
    };
    let answers = [
        connection.call(PUT, &mine, put("theirs")).await.1,
        connection
            .call("/leaseq.v1.QueueService/Get", &mine, get)
            .await
            .1,
        connection
            .call("/leaseq.v1.AdminService/GetQueue", &mine, show)
            .await
            .1,
    ];
    for answer in answers {
        assert_eq!(answer.code, Code::PermissionDenied, "{answer:?}");
        assert_eq!(answer.reason, "QUEUE_NOT_PERMITTED", "{answer:?}");
    }
    let (bytes, _) = connection
        .call("/leaseq.v1.AdminService/ListQueues", &mine, ())
        .await;
    let listed = ListQueuesResponse::decode(bytes.as_slice()).unwrap().queues;
    assert_eq!(
        listed.iter().map(|queue| &queue.name).collect::<Vec<_>>(),
        ["mine.a"]
    );
}

#[tokio::test]
async fn health_is_open_and_reflection_as_it_is_told() {
    for (reflection, stranger, known) in [
        (Reflection::Auth, Code::Unauthenticated, Code::Ok),
        (Reflection::Open, Code::Ok, Code::Ok),
        (Reflection::Off, Code::Unauthenticated, Code::Unimplemented),
    ] {
        let server = start(Config {
            reflection,
            ..config_with_key()
        })
        .await;
        let connection = Connection::open(server.grpc_addr()).await;
        assert_eq!(connection.code(HEALTH, &[]).await, Code::Ok);
        for path in REFLECTION {
            let list = ServerReflectionRequest {
                message_request: Some(MessageRequest::ListServices(String::new())),
                ..ServerReflectionRequest::default()
            };
            let (_, answer) = connection.call(path, &[], list.clone()).await;
            assert_eq!(answer.code, stranger, "{reflection:?} {path}");
            let (bytes, answer) = connection.call(path, &[("authkey", KEY)], list).await;
            assert_eq!(answer.code, known, "{reflection:?} {path} {answer:?}");
            let named = String::from_utf8_lossy(&bytes).contains("leaseq.v1.QueueService");
            assert_eq!(named, known == Code::Ok, "{reflection:?} {path}");
        }
    }
}

#[tokio::test]
async fn without_keys_a_server_on_loopback_is_open() {
    let server = start(config()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    assert_eq!(connection.code(INFO, &[]).await, Code::Ok);
    assert_eq!(
        connection.code(INFO, &[("authkey", "whatever")]).await,
        Code::Ok
    );
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Config {
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..with_keys(&dir)
    })
    .await;
    let connection = Connection::open(server.grpc_addr()).await;
    let work = key("work");
    for headers in [&[][..], &[("authkey", "x")], &[("authkey", work.as_str())]] {
        connection.answer_to_head(PUT, headers).await;
    }
    let (_, text) = page(server.admin_addr().unwrap(), "/metrics", &[]).await;
    for reason in ["key_missing", "key_rejected", "role_missing"] {
        let line = format!("leaseq_auth_failures_total{{reason=\"{reason}\"}} 1\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
}
