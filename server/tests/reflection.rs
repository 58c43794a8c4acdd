//! gRPC reflection in both versions: errors are answers on the stream, and the stream ends with
//! the key that opened it.

mod support;

use std::time::Duration;

use leaseq_server::config::{Config, Reflection};
use prost::Message;
use prost_types::FileDescriptorProto;
use support::{KEY, config, config_with_key, start};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::ServerReflectionResponse;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;
use tonic_types::StatusExt;

async fn channel(addr: std::net::SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// An open stream.
struct Open {
    ask: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl Open {
    async fn with(addr: std::net::SocketAddr, key: &str) -> Self {
        let (ask, requests) = mpsc::channel(1);
        let mut request = Request::new(ReceiverStream::new(requests));
        if !key.is_empty() {
            request
                .metadata_mut()
                .insert("authkey", key.parse().unwrap());
        }
        let mut client = ServerReflectionClient::new(channel(addr).await);
        let answers = client.server_reflection_info(request).await.unwrap();
        Self {
            ask,
            answers: answers.into_inner(),
        }
    }

    async fn ask(&mut self, asked: Option<MessageRequest>) -> MessageResponse {
        let request = ServerReflectionRequest {
            host: "here".to_owned(),
            message_request: asked,
        };
        self.ask.send(request.clone()).await.unwrap();
        let answer = self.answers.message().await.unwrap().unwrap();
        assert_eq!(answer.original_request, Some(request));
        answer.message_response.unwrap()
    }
}

fn symbol(name: &str) -> Option<MessageRequest> {
    Some(MessageRequest::FileContainingSymbol(name.to_owned()))
}

fn file_of(answer: MessageResponse) -> String {
    let MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("no file: {answer:?}");
    };
    let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    file.name().to_owned()
}

#[tokio::test]
async fn every_kind_of_symbol_is_found_and_what_is_not_there_is_an_answer() {
    let server = start(config_with_key()).await;
    let mut stream = Open::with(server.grpc_addr(), KEY).await;
    let symbols = [
        ("leaseq.v1.QueueService", "leaseq/v1/queue_service.proto"),
        (
            "leaseq.v1.QueueService.Put",
            "leaseq/v1/queue_service.proto",
        ),
        ("leaseq.v1.PutRequest.jobs", "leaseq/v1/queue_service.proto"),
        ("leaseq.v1.ErrorReason", "leaseq/v1/error.proto"),
        ("leaseq.v1.ERROR_REASON_DRAINING", "leaseq/v1/error.proto"),
        ("grpc.health.v1.Health.List", "grpc/health/v1/health.proto"),
        (
            "grpc.health.v1.HealthCheckResponse.SERVING",
            "grpc/health/v1/health.proto",
        ),
    ];
    for (name, file) in symbols {
        assert_eq!(file_of(stream.ask(symbol(name)).await), file, "{name}");
    }
    let missing = [
        (symbol("leaseq.v1.NoService"), Code::NotFound),
        (
            Some(MessageRequest::FileByFilename("no.proto".to_owned())),
            Code::NotFound,
        ),
        (
            Some(MessageRequest::AllExtensionNumbersOfType("No".to_owned())),
            Code::NotFound,
        ),
        (None, Code::InvalidArgument),
    ];
    for (asked, code) in missing {
        let MessageResponse::ErrorResponse(error) = stream.ask(asked).await else {
            panic!("an error was expected");
        };
        assert_eq!(Code::from(error.error_code), code, "{error:?}");
    }
    // The stream goes on.
    let services = stream
        .ask(Some(MessageRequest::ListServices(String::new())))
        .await;
    let MessageResponse::ListServicesResponse(services) = services else {
        panic!("no services: {services:?}");
    };
    assert_eq!(services.service.len(), 5, "{services:?}");
}

#[tokio::test]
async fn the_alpha_version_answers_the_same() {
    let server = start(config()).await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(
        channel(server.grpc_addr()).await,
    );
    let asked = "leaseq.v1.QueueService".to_owned();
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(asked),
        ),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([request]));
    let mut answers = answers.await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    use v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse;
    assert!(
        matches!(answer, Some(FileDescriptorResponse(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let write = |key: &str| {
        let text = format!("[[key]]\nname='k'\nkey='{key}'\nroles=['read']\n");
        std::fs::write(keys.path(), text).unwrap();
    };
    write("the-key-that-goes-away");
    let server = start(Config {
        keys_file: Some(keys.path().to_owned()),
        ..config()
    })
    .await;
    let mut stream = Open::with(server.grpc_addr(), "the-key-that-goes-away").await;
    file_of(stream.ask(symbol("leaseq.v1.QueueService")).await);
    write("the-key-that-is-there-now");
    server.reload();
    let ended: Status = stream.answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    let info = ended.get_details_error_info().unwrap();
    assert_eq!(info.reason, "AUTHKEY_REVOKED");
    drop(server);
}

#[tokio::test]
async fn where_it_is_open_it_needs_no_key() {
    let server = start(Config {
        reflection: Reflection::Open,
        ..config_with_key()
    })
    .await;
    let mut stream = Open::with(server.grpc_addr(), "").await;
    file_of(stream.ask(symbol("leaseq.v1.QueueService")).await);
    server.shutdown(Duration::ZERO).await.unwrap();
}
