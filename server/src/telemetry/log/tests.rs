//! What the log holds, and what it does not: no secrets, no forged lines, no floods.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaseq_proto::v1::admin_service_client::AdminServiceClient;
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use leaseq_proto::v1::{CancelJobRequest, GetRequest, NewJob, PauseQueueRequest, PutRequest};
use serde::de::{MapAccess, Visitor};
use tonic::Request;
use tonic::transport::Channel;

use super::*;
use crate::Server;
use crate::config::{Config, StoreKind};

pub(super) const KEY: &str = "canary-of-the-key-itself";
const PAYLOAD: &str = "canary-of-the-payload";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn with_key<T>(key: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authkey", key.parse().unwrap());
    request
}

pub(super) fn config() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: None,
        store: StoreKind::Memory,
        authkey: Some(KEY.into()),
        ..Config::default()
    }
}

/// Calls of every kind, with a worker's name that would be lines of its own.
async fn calls() {
    let server = Server::new(config()).start().await.unwrap();
    server.ready().await.unwrap();
    let addr = format!("http://{}", server.grpc_addr());
    let channel = Channel::from_shared(addr).unwrap().connect().await.unwrap();
    let mut client = QueueServiceClient::new(channel);
    let put = || PutRequest {
        queue: "jobs".to_owned(),
        jobs: vec![NewJob::new(PAYLOAD)],
        ..PutRequest::default()
    };
    client.put(with_key(KEY, put())).await.unwrap();
    client
        .put(with_key("wrong-canary", put()))
        .await
        .unwrap_err();
    let mut strange = put();
    strange.queue = "forged\n\u{1b}[31mline".to_owned();
    client.put(with_key(KEY, strange)).await.unwrap_err();
    let get = GetRequest {
        queue: "jobs".to_owned(),
        worker: "worker\n\u{1b}[31mforged".to_owned(),
        ..GetRequest::default()
    };
    let _ = client.get(with_key(KEY, get)).await;
    drop(client);
    server.shutdown(Duration::from_secs(10)).await.unwrap();
}

fn logged(json: bool, level: LogLevel) -> String {
    logged_while(json, level, Throttle::new(), calls())
}

/// What is logged while `doing` runs.
pub(super) fn logged_while(
    json: bool,
    level: LogLevel,
    throttle: Throttle,
    doing: impl Future<Output = ()>,
) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = subscriber(json, true, level, throttle, move || writer.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(doing));
    drop(runtime);
    written.text()
}

#[test]
fn no_key_and_no_payload_gets_into_the_log_at_any_level() {
    for json in [true, false] {
        let text = logged(json, LogLevel::Trace);
        assert!(!text.contains("canary"), "{text}");
        // It was written at all, with who called what.
        for part in ["Put", "default", "call refused", "stopped"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

/// The names of the fields of a line; no field may come twice.
fn fields(line: &str) -> BTreeSet<String> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = BTreeSet<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a line")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = BTreeSet::new();
            while let Some((name, _)) = map.next_entry::<String, serde_json::Value>()? {
                assert!(names.insert(name.clone()), "{name} comes twice");
            }
            Ok(names)
        }
    }
    let mut line = serde_json::Deserializer::from_str(line);
    serde::Deserializer::deserialize_map(&mut line, Fields).unwrap()
}

#[test]
fn what_callers_send_makes_no_lines_of_its_own() {
    let text = logged(true, LogLevel::Debug);
    assert!(!text.contains('\u{1b}'), "{text}");
    for line in text.lines() {
        let names = fields(line);
        assert!(
            names.contains("level") && names.contains("message"),
            "{line}"
        );
    }
    let text = logged(false, LogLevel::Debug);
    assert!(
        !text
            .lines()
            .any(|line| line.contains("[31mforged\n") || line.starts_with("\u{1b}[31mline")),
        "{text}"
    );
}

#[test]
fn single_calls_are_quiet_at_the_default_level() {
    let text = logged(false, LogLevel::Info);
    assert!(
        text.contains("leaseq is listening") && text.contains("call refused"),
        "{text}"
    );
    assert!(!text.contains("code=Ok"), "{text}");
}

#[test]
fn audit_lines_name_the_queue_or_the_job() {
    let text = logged_while(false, LogLevel::Info, Throttle::new(), async {
        let server = Server::new(config()).start().await.unwrap();
        server.ready().await.unwrap();
        let addr = format!("http://{}", server.grpc_addr());
        let channel = Channel::from_shared(addr).unwrap().connect().await.unwrap();
        let pause = PauseQueueRequest {
            queue: "mail".to_owned(),
        };
        let mut admin = AdminServiceClient::new(channel.clone());
        admin.pause_queue(with_key(KEY, pause)).await.unwrap_err();
        let cancel = CancelJobRequest {
            job_id: "0192a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b".to_owned(),
            ..CancelJobRequest::default()
        };
        let mut queue = QueueServiceClient::new(channel);
        queue.cancel_job(with_key(KEY, cancel)).await.unwrap_err();
        server.shutdown(Duration::ZERO).await.unwrap();
    });
    let line = |method: &str| {
        let mut lines = text.lines().filter(|line| line.contains("admin call"));
        let found = lines.find(|line| line.contains(method));
        found.unwrap_or_else(|| panic!("{method} in {text}"))
    };
    assert!(line("PauseQueue").contains("mail"), "{text}");
    let job = "0192a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
    assert!(line("CancelJob").contains(job), "{text}");
}
