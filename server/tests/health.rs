//! gRPC health as health.proto defines it, asked without a key.

mod support;

use leaseq_proto::health::health_check_response::ServingStatus;
use leaseq_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use prost::Message;
use support::{Connection, config_with_key, framed, start};
use tonic::Code;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn check_knows_every_service_and_no_other() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    for service in ["", "leaseq.v1.QueueService", "leaseq.v1.AdminService"] {
        let (bytes, answer) = connection.call(CHECK, &[], of(service)).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
        let response = HealthCheckResponse::decode(bytes.as_slice()).unwrap();
        assert_eq!(response.status(), ServingStatus::Serving);
    }
    let (_, answer) = connection.call(CHECK, &[], of("leaseq.v1.NoService")).await;
    let refused = (answer.code, answer.reason.as_str());
    assert_eq!(refused, (Code::NotFound, "SERVICE_NOT_FOUND"), "{answer:?}");
}

#[tokio::test]
async fn list_names_every_service() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let (bytes, answer) = connection.call(LIST, &[], HealthListRequest {}).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    let listed = HealthListResponse::decode(bytes.as_slice()).unwrap();
    let mut names: Vec<&str> = listed.statuses.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["", "leaseq.v1.AdminService", "leaseq.v1.QueueService"]
    );
    let serving = |response: &HealthCheckResponse| response.status() == ServingStatus::Serving;
    assert!(listed.statuses.values().all(serving));
}

#[tokio::test]
async fn watch_tells_changes_and_the_stream_of_an_unknown_service_stays() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let mut streams = Vec::new();
    for (service, expected) in [
        ("leaseq.v1.QueueService", ServingStatus::Serving),
        ("leaseq.v1.NoService", ServingStatus::ServiceUnknown),
    ] {
        let (response, mut body) = connection.begin(WATCH, &[]).await.unwrap();
        body.send_data(framed(&of(service)), true).unwrap();
        let mut stream = response.await.unwrap().into_body();
        assert_eq!(next(&mut stream).await, expected, "{service}");
        streams.push(stream);
    }
    let ended = tokio::spawn(server.shutdown(std::time::Duration::from_secs(10)));
    assert_eq!(next(&mut streams[0]).await, ServingStatus::NotServing);
    ended.await.unwrap().unwrap();
    // The other one has got nothing more: it ends with its connection.
    let rest = streams[1].data().await;
    assert!(
        !matches!(&rest, Some(Ok(data)) if !data.is_empty()),
        "{rest:?}"
    );
}

/// The next status of a stream; messages as small as these come one in a frame.
async fn next(stream: &mut h2::RecvStream) -> ServingStatus {
    let data = stream.data().await.unwrap().unwrap();
    let message = data.get(5..).unwrap();
    HealthCheckResponse::decode(message).unwrap().status()
}
