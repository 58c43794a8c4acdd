//! A key does what its roles and queues allow, and nothing once it is revoked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use leaseq_proto::v1::admin_service_client::AdminServiceClient;
use leaseq_proto::v1::lease_request::Request as Say;
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use leaseq_proto::v1::{
    CreateQueueRequest, GetServerInfoRequest, Heartbeat, JobOptions, ListQueuesRequest,
    PutStreamRequest, Queue as QueueProto,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::support::*;

const MASTER: &str = "the-key-of-the-masters";
const WORKER: &str = "the-key-of-the-workers";
const OTHERS: &str = "the-key-of-other-people";
const ADMIN: &str = "the-key-of-the-admins";

type Keyed = InterceptedService<Channel, WithKey>;

#[derive(Clone)]
struct WithKey(&'static str);

impl tonic::service::Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let key = MetadataValue::from_static(self.0);
        request.metadata_mut().insert("authkey", key);
        Ok(request)
    }
}

struct Guarded {
    harness: Harness,
    keys: PathBuf,
    _dir: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys.toml");
        write_keys(&keys, &[MASTER, WORKER, OTHERS, ADMIN]);
        let harness = Harness::with(|config| config.keys_file = Some(keys.clone())).await;
        Self {
            harness,
            keys,
            _dir: dir,
        }
    }

    fn queue(&self, key: &'static str) -> QueueServiceClient<Keyed> {
        QueueServiceClient::with_interceptor(self.harness.channel(), WithKey(key))
    }

    fn admin(&self, key: &'static str) -> AdminServiceClient<Keyed> {
        AdminServiceClient::with_interceptor(self.harness.channel(), WithKey(key))
    }

    fn revoke_all_but(&self, keys: &[&str]) {
        write_keys(&self.keys, keys);
        self.harness.server().reload();
    }
}

fn write_keys(path: &Path, keys: &[&str]) {
    let known = [
        (MASTER, r#"["put"]"#, r#"["mine.*"]"#),
        (WORKER, r#"["work"]"#, r#"["mine.*"]"#),
        (OTHERS, r#"["put", "work", "read"]"#, r#"["theirs.*"]"#),
        (ADMIN, r#"["admin"]"#, r#"["*"]"#),
    ];
    let mut text = String::new();
    for (key, roles, queues) in known.into_iter().filter(|(key, ..)| keys.contains(key)) {
        let hash: String = Sha256::digest(key)
            .iter()
            .fold(String::new(), |mut hash, byte| {
                write!(hash, "{byte:02x}").unwrap();
                hash
            });
        let name = key.rsplit('-').next().unwrap();
        writeln!(text, "[[key]]\nname = \"{name}\"\nsha256 = \"{hash}\"").unwrap();
        writeln!(text, "roles = {roles}\nqueues = {queues}\n").unwrap();
    }
    // A new file in its place, so that nobody reads half of it.
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[track_caller]
fn check<T>(answer: Result<Response<T>, Status>, code: Code, reason: &str) {
    let status = answer.err().expect("refused");
    assert_eq!(refusal(&status), (code, reason.to_owned()));
}

#[tokio::test]
async fn a_call_without_a_good_key_is_refused() {
    let guarded = Guarded::start().await;
    let mut nobody = guarded.harness.queue();
    let missing = nobody.put(put_of("mine.a", [job("1")])).await;
    check(missing, Code::Unauthenticated, "AUTHKEY_MISSING");
    let wrong = guarded
        .queue("not-a-key-of-this-server")
        .get(get_of("mine.a", 1))
        .await;
    check(wrong, Code::Unauthenticated, "AUTHKEY_REJECTED");
}

#[tokio::test]
async fn a_role_that_is_missing_is_named() {
    let guarded = Guarded::start().await;
    let get = guarded.queue(MASTER).get(get_of("mine.a", 1)).await;
    check(get, Code::PermissionDenied, "ROLE_MISSING");
    let put = guarded
        .queue(WORKER)
        .put(put_of("mine.a", [job("1")]))
        .await;
    check(put, Code::PermissionDenied, "ROLE_MISSING");
    let name = "mine.a".to_owned();
    let queue = Some(QueueProto {
        name,
        ..QueueProto::default()
    });
    let create = guarded
        .admin(WORKER)
        .create_queue(CreateQueueRequest { queue })
        .await;
    check(create, Code::PermissionDenied, "ROLE_MISSING");
    let info = guarded
        .admin(WORKER)
        .get_server_info(GetServerInfoRequest {})
        .await;
    assert!(info.is_ok(), "every key may ask what it talks to");
}

#[tokio::test]
async fn queues_of_others_are_out_of_reach() {
    let guarded = Guarded::start().await;
    let denied = Code::PermissionDenied;
    let reason = "QUEUE_NOT_PERMITTED";
    let mut master = guarded.queue(MASTER);
    check(
        master.put(put_of("theirs.a", [job("1")])).await,
        denied,
        reason,
    );
    let reply_to = job("1").with(JobOptions {
        reply_to: "theirs.a".into(),
        ..JobOptions::default()
    });
    check(
        master.put(put_of("mine.a", [reply_to])).await,
        denied,
        reason,
    );
    let mut worker = guarded.queue(WORKER);
    check(worker.get(get_of("theirs.a", 1)).await, denied, reason);
    let (say, requests) = mpsc::channel(1);
    let opening = Some(Say::Open(open(&["mine.a", "theirs.a"], 1)));
    say.send(leaseq_proto::v1::LeaseRequest { request: opening })
        .await
        .unwrap();
    let mut stream = worker
        .lease(ReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    check(stream.message().await.map(Response::new), denied, reason);

    master.put(put_of("mine.a", [job("1")])).await.unwrap();
    let leased = worker
        .get(get_of("mine.a", 1))
        .await
        .unwrap()
        .into_inner()
        .leased_jobs()
        .expect("jobs")
        .remove(0);
    let stolen = verdicts([(leased.lease_token, complete(""))]);
    let answer = guarded.queue(OTHERS).settle(stolen).await;
    let reasons: Vec<_> = answer.unwrap().into_inner().results;
    assert_ne!(
        reasons[0].code, 0,
        "a token of another's queue settles nothing"
    );
    let seen = guarded
        .admin(OTHERS)
        .list_queues(ListQueuesRequest::default())
        .await;
    assert_eq!(seen.unwrap().into_inner().queues, []);
}

#[tokio::test]
async fn streams_of_a_revoked_key_end_and_others_go_on() {
    let guarded = Guarded::start().await;
    let open_session = async |key: &'static str| {
        let (say, requests) = mpsc::channel(8);
        let opening = Some(Say::Open(open(
            &[if key == OTHERS { "theirs.a" } else { "mine.a" }],
            1,
        )));
        say.send(leaseq_proto::v1::LeaseRequest { request: opening })
            .await
            .unwrap();
        let answer = guarded
            .queue(key)
            .lease(ReceiverStream::new(requests))
            .await;
        let mut stream = answer.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some(), "opened");
        (say, stream)
    };
    let (_say, mut revoked) = open_session(WORKER).await;
    let (say, mut good) = open_session(OTHERS).await;
    let (puts, requests) = mpsc::channel::<PutStreamRequest>(8);
    let answer = guarded
        .queue(MASTER)
        .put_stream(ReceiverStream::new(requests))
        .await;
    let mut answers = answer.unwrap().into_inner();

    guarded.revoke_all_but(&[OTHERS, ADMIN]);
    let within = std::time::Duration::from_secs(1);
    let ended = tokio::time::timeout(within, revoked.message())
        .await
        .expect("within a second");
    check(
        ended.map(Response::new),
        Code::Unauthenticated,
        "AUTHKEY_REVOKED",
    );
    let ended = tokio::time::timeout(within, answers.message())
        .await
        .expect("within a second");
    check(
        ended.map(Response::new),
        Code::Unauthenticated,
        "AUTHKEY_REVOKED",
    );
    drop(puts);

    let request = Some(Say::Heartbeat(Heartbeat {}));
    say.send(leaseq_proto::v1::LeaseRequest { request })
        .await
        .unwrap();
    assert!(good.message().await.unwrap().is_some(), "others go on");
}
