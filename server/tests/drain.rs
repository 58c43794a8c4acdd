//! How a server ends: in order when it is told to, and with an error when its
//! store fails.

mod support;

use std::time::Duration;

use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;
use leaseq_proto::health::health_check_response::ServingStatus;
use leaseq_proto::health::{HealthCheckRequest, HealthCheckResponse};
use leaseq_proto::v1::{NewJob, PutRequest};
use leaseq_server::Server;
use leaseq_store::{
    Batch, CommitError, Committed, Compaction, Epoch, Loaded, MemoryStore, Position, Store,
    StoreError,
};
use prost::Message;
use support::wire::{self, Wire};
use support::{Connection, config, page, start};
use tonic::Code;

const PUT: &str = "/leaseq.v1.QueueService/Put";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

async fn health(connection: &Connection, service: &str) -> Option<ServingStatus> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let (bytes, answer) = connection.call(HEALTH, &[], request).await;
    let response = HealthCheckResponse::decode(bytes.as_slice()).unwrap();
    (answer.code == Code::Ok).then(|| response.status())
}

fn put() -> PutRequest {
    PutRequest {
        queue: "jobs".to_owned(),
        jobs: vec![NewJob::default()],
        ..PutRequest::default()
    }
}

#[tokio::test]
async fn a_drain_says_goaway_and_closes_the_port() {
    let server = start(config()).await;
    let addr = server.grpc_addr();
    let mut idle = Wire::open(addr).await;
    assert!(idle.next_of(wire::SETTINGS).await.is_some());
    let ended = tokio::spawn(server.shutdown(Duration::from_secs(60)));
    assert_eq!(idle.next_of(wire::GOAWAY).await.unwrap().error_code(), 0);
    drop(idle);
    ended.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn calls_that_are_open_are_waited_for_no_longer_than_the_drain_timeout() {
    let server = start(config()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    // A Put whose body never comes: only the timeout ends it.
    let (response, _body) = connection.begin(PUT, &[]).await.unwrap();
    assert_eq!(connection.code(HEALTH, &[]).await, Code::Ok);
    server.shutdown(Duration::ZERO).await.unwrap();
    assert!(response.await.is_err());
}

/// Fails every commit after the first ones.
struct Failing {
    inner: MemoryStore,
    commits_left: u32,
}

impl Store for Failing {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        self.inner.load(replay)
    }

    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        match self.commits_left.checked_sub(1) {
            Some(left) => self.commits_left = left,
            None => return Err(StoreError::Failed.into()),
        }
        self.inner.commit(epoch, at, batch)
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        self.inner.contents(jobs)
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        self.inner.compact()
    }
}

#[tokio::test]
async fn a_store_that_fails_ends_the_service_and_says_so() {
    let store = Failing {
        inner: MemoryStore::new(),
        // The one with which the namespace begins.
        commits_left: 1,
    };
    let mut config = config();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let server = Server::new(config)
        .with_store(Box::new(store))
        .start()
        .await
        .unwrap();
    server.ready().await.unwrap();
    let connection = Connection::open(server.grpc_addr()).await;
    let (_, answer) = connection.call(PUT, &[], put()).await;
    assert_eq!(answer.code, Code::Unavailable, "{answer:?}");
    assert_eq!(answer.reason, "STORE_FAILED");

    let error = server.wait().await.unwrap_err();
    assert!(error.to_string().contains("failed before"), "{error}");
    while health(&connection, "").await != Some(ServingStatus::NotServing) {
        tokio::task::yield_now().await;
    }
    let admin = server.admin_addr().unwrap();
    assert_eq!(page(admin, "/readyz", &[]).await.0, 503);
    assert_eq!(page(admin, "/healthz", &[]).await.0, 200);
    assert!(server.shutdown(Duration::ZERO).await.is_err());
}

/// Waits with `load` until it is told to go on.
struct Slow(std::sync::mpsc::Receiver<()>, MemoryStore);

impl Store for Slow {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        let _ = self.0.recv();
        self.1.load(replay)
    }

    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        self.1.commit(epoch, at, batch)
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        self.1.contents(jobs)
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        self.1.compact()
    }
}

#[tokio::test]
async fn while_the_journal_is_read_the_port_answers_that_it_recovers() {
    let (go_on, wait) = std::sync::mpsc::channel();
    let store = Box::new(Slow(wait, MemoryStore::new()));
    let mut config = config();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let server = Server::new(config).with_store(store).start().await.unwrap();
    let connection = Connection::open(server.grpc_addr()).await;
    let (_, answer) = connection.call(PUT, &[], put()).await;
    assert_eq!(
        (answer.code, answer.reason.as_str()),
        (Code::Unavailable, "RECOVERING")
    );
    assert_eq!(
        health(&connection, "").await,
        Some(ServingStatus::NotServing)
    );
    let admin = server.admin_addr().unwrap();
    let (code, text) = page(admin, "/readyz", &[]).await;
    assert!(code == 503 && text.contains("recovering"), "{text}");

    go_on.send(()).unwrap();
    server.ready().await.unwrap();
    let (_, answer) = connection.call(PUT, &[], put()).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    assert_eq!(page(admin, "/readyz", &[]).await.0, 200);
}

#[tokio::test]
async fn a_server_that_still_reads_its_journal_stops_at_once() {
    let (_go_on, wait) = std::sync::mpsc::channel();
    let store = Box::new(Slow(wait, MemoryStore::new()));
    let server = Server::new(config())
        .with_store(store)
        .start()
        .await
        .unwrap();
    server.shutdown(Duration::from_secs(60)).await.unwrap();
}
