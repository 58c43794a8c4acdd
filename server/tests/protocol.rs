//! gRPC over HTTP/2 to the letter: what is no call is refused before anything is done, and every
//! refusal says why in a way that its reader understands.

mod support;

use bytes::Bytes;
use http::{Method, Request};
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use leaseq_proto::v1::{
    GetQueueRequest, GetQueueResponse, NewJob, PutRequest, PutStreamRequest, Queue,
    UpdateQueueRequest,
};
use leaseq_server::RunningServer;
use prost::Message;
use support::{Connection, KEY, answer, config_with_key, framed, start};
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PUT: &str = "/leaseq.v1.QueueService/Put";
const PUT_STREAM: &str = "/leaseq.v1.QueueService/PutStream";
const GET_QUEUE: &str = "/leaseq.v1.AdminService/GetQueue";
const UPDATE_QUEUE: &str = "/leaseq.v1.AdminService/UpdateQueue";
const WITH_KEY: &[(&str, &str)] = &[("authkey", KEY)];

fn put(payload: impl Into<Bytes>) -> PutRequest {
    PutRequest {
        queue: "jobs".to_owned(),
        jobs: vec![NewJob::new(payload.into())],
        ..PutRequest::default()
    }
}

/// How many jobs there are; none if the queue was never made.
async fn jobs(connection: &Connection) -> u64 {
    let request = GetQueueRequest {
        queue: "jobs".to_owned(),
    };
    let (bytes, answer) = connection.call(GET_QUEUE, WITH_KEY, request).await;
    match answer.code {
        Code::NotFound => 0,
        _ => {
            let response = GetQueueResponse::decode(bytes.as_slice()).unwrap();
            response.queue.unwrap().stats.unwrap().ready_count
        }
    }
}

/// A Put as this HTTP request: the HTTP status and the gRPC status.
async fn put_as(
    server: &RunningServer,
    method: Method,
    content_type: Option<&str>,
) -> (u16, Status) {
    let stream = tokio::net::TcpStream::connect(server.grpc_addr())
        .await
        .unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://leaseq{PUT}"))
        .header("te", "trailers")
        .header("authkey", KEY);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let mut requests = requests.ready().await.unwrap();
    let (response, mut body) = requests
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    let _ = body.send_data(framed(&put("x")), true);
    let response = response.await.unwrap();
    let status = Status::from_header_map(response.headers());
    (
        response.status().as_u16(),
        status.unwrap_or_else(|| Status::ok("")),
    )
}

#[tokio::test]
async fn what_is_no_grpc_call_does_nothing_and_is_refused_in_http_and_grpc() {
    let server = start(config_with_key()).await;
    let strange = [
        (Method::GET, Some("application/grpc"), 405),
        (Method::OPTIONS, Some("application/grpc"), 405),
        (Method::POST, Some("text/plain"), 415),
        (Method::POST, Some("application/grpc+json"), 415),
        (Method::POST, Some("application/grpc-web"), 415),
        (Method::POST, Some("application/grpc-web-text"), 415),
        (Method::POST, None, 415),
    ];
    for (method, content_type, expected) in strange {
        let (http, status) = put_as(&server, method.clone(), content_type).await;
        assert_eq!(http, expected, "{method} {content_type:?}");
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "UNSUPPORTED");
    }
    let connection = Connection::open(server.grpc_addr()).await;
    assert_eq!(jobs(&connection).await, 0);
    let right = [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;a=b",
    ];
    for content_type in right {
        let (http, _) = put_as(&server, Method::POST, Some(content_type)).await;
        assert_eq!(http, 200, "{content_type}");
    }
    assert_eq!(jobs(&connection).await, 3);
}

#[tokio::test]
async fn a_second_message_in_a_unary_call_is_refused_and_nothing_is_done() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let twice = [framed(&put("1")), framed(&put("2"))].concat();
    for size in [1, 7, twice.len()] {
        let (response, mut body) = connection.begin(PUT, WITH_KEY).await.unwrap();
        for chunk in twice.chunks(size) {
            // An early answer ends the stream.
            if body
                .send_data(Bytes::copy_from_slice(chunk), false)
                .is_err()
            {
                break;
            }
        }
        let _ = body.send_data(Bytes::new(), true);
        let (_, refused) = answer(response).await;
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
        assert!(
            refused.message.contains("more than one message"),
            "{refused:?}"
        );
    }
    assert_eq!(jobs(&connection).await, 0);

    // A stream takes as many as come.
    let (response, mut body) = connection.begin(PUT_STREAM, WITH_KEY).await.unwrap();
    let message = framed(&PutStreamRequest {
        put: Some(put("1")),
    });
    body.send_data([&message[..], &message].concat().into(), true)
        .unwrap();
    assert_eq!(answer(response).await.1.code, Code::Ok);
    assert_eq!(jobs(&connection).await, 2);
}

#[tokio::test]
async fn metadata_over_the_limit_is_refused_by_name() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    for bytes in [8 << 10, 12_000, 20_000, 31_000] {
        let long = "x".repeat(bytes);
        let headers = [("authkey", KEY), ("long", &long)];
        let refused = connection.answer_to_head(PUT, &headers).await;
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::ResourceExhausted, "LIMIT_REACHED"),
            "{bytes}"
        );
        assert!(
            refused.message.contains("limits.header_bytes"),
            "{refused:?}"
        );
    }
    let almost = "x".repeat(7_000);
    let headers = [("authkey", KEY), ("long", &almost)];
    let (_, taken) = connection.call(PUT, &headers, put("x")).await;
    assert_eq!(taken.code, Code::Ok, "{taken:?}");
}

#[tokio::test]
async fn errors_are_short_whatever_the_request_held() {
    let server = start(config_with_key()).await;
    let connection = Connection::open(server.grpc_addr()).await;
    let name = "ä\n".repeat(512 << 10);
    let mut headers = put("x");
    headers.jobs[0]
        .options_mut()
        .headers
        .insert(name.clone(), "v".to_owned());
    let mut queue = put("x");
    queue.queue.clone_from(&name);
    let mut id = put("x");
    id.request_id.clone_from(&name);
    for request in [headers, queue, id] {
        let (_, refused) = connection.call(PUT, WITH_KEY, request).await;
        short(&refused);
    }
    let update = UpdateQueueRequest {
        queue: Some(Queue {
            name: "jobs".to_owned(),
            ..Queue::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec![name] }),
    };
    let (_, refused) = connection.call(UPDATE_QUEUE, WITH_KEY, update).await;
    short(&refused);
    // Words of the metadata are sent back as well.
    let encoding = "x".repeat(4_000);
    let headers = [("authkey", KEY), ("grpc-encoding", encoding.as_str())];
    let (_, refused) = connection.call(PUT, &headers, put("x")).await;
    assert_eq!(refused.code, Code::Unimplemented, "{refused:?}");
    assert!(refused.message.len() <= 1 << 10, "{refused:?}");
}

#[track_caller]
fn short(refused: &support::Answer) {
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    assert!(refused.message.len() <= 1 << 10, "{refused:?}");
}

async fn client(server: &RunningServer) -> QueueServiceClient<Channel> {
    let addr = format!("http://{}", server.grpc_addr());
    let channel = Endpoint::from_shared(addr)
        .unwrap()
        .connect()
        .await
        .unwrap();
    QueueServiceClient::new(channel)
}

fn with_key<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert("authkey", KEY.parse().unwrap());
    request
}

#[tokio::test]
async fn gzip_is_taken_and_what_it_holds_is_bounded() {
    let server = start(config_with_key()).await;
    let mut client = client(&server)
        .await
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let answer = client.put(with_key(put("x".repeat(1000)))).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(answer.into_inner().job_ids.iter().count(), 1);

    // 32 MiB that are 32 KiB on the wire.
    let bomb = put(vec![0; 32 << 20]);
    let refused = client.put(with_key(bomb)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "PAYLOAD_TOO_LARGE");
    assert_eq!(info.metadata["limit"], "limits.request_bytes");
    let connection = Connection::open(server.grpc_addr()).await;
    assert_eq!(jobs(&connection).await, 1);
}

#[tokio::test]
async fn answers_are_compressed_for_those_that_compress() {
    let server = start(config_with_key()).await;
    let mut client = client(&server)
        .await
        .accept_compressed(CompressionEncoding::Gzip);
    // Most clients say with every call that they can read gzip.
    let answer = client.put(with_key(put("x".repeat(1000)))).await.unwrap();
    assert!(answer.metadata().get("grpc-encoding").is_none());
}
