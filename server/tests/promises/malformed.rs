//! Bytes that are no request are refused as any bad request is, and harm nobody else.

use bytes::Bytes;
use http::uri::PathAndQuery;
use leaseq_proto::codec::MessageCodec;
use leaseq_proto::v1::{LeaseResponse, PutResponse};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::*;

/// A message whose first field is bytes, where the API has text or a message.
#[derive(Clone, PartialEq, prost::Message)]
struct Strange {
    #[prost(bytes = "bytes", tag = "1")]
    first: Bytes,
}

fn strange() -> Strange {
    let first = Bytes::from_static(&[0xff, 0xfe, 0xff]);
    Strange { first }
}

async fn grpc(harness: &Harness) -> Grpc<Channel> {
    let mut grpc = Grpc::new(harness.channel());
    grpc.ready().await.unwrap();
    grpc
}

#[track_caller]
fn unreadable(status: &Status) {
    let expected = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
    assert_eq!(refusal(status), expected, "{status}");
    assert_eq!(field(status), "request");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_a_bad_request() {
    let harness = Harness::start().await;
    let path = PathAndQuery::from_static("/leaseq.v1.QueueService/Put");
    let codec = MessageCodec::<Strange, PutResponse>::default();
    let answer = grpc(&harness)
        .await
        .unary(Request::new(strange()), path, codec)
        .await;
    unreadable(&answer.unwrap_err());
    put(&mut harness.queue(), "numbers", [job("1")]).await;
}

#[tokio::test]
async fn a_stream_with_a_request_that_cannot_be_read_ends_alone() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let (mut good, _) = Session::open(&mut client, open(&["numbers"], 1)).await;
    let path = PathAndQuery::from_static("/leaseq.v1.QueueService/Lease");
    let codec = MessageCodec::<Strange, LeaseResponse>::default();
    let requests = Request::new(tokio_stream::iter([strange()]));
    let answer = grpc(&harness).await.streaming(requests, path, codec).await;
    let mut stream = answer.unwrap().into_inner();
    unreadable(&stream.message().await.unwrap_err());
    put(&mut client, "numbers", [job("1")]).await;
    assert_eq!(good.jobs(1).await.len(), 1, "others go on");
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let harness = Harness::start().await;
    let path = PathAndQuery::from_static("/leaseq.v1.QueueService/Steal");
    let codec = MessageCodec::<Strange, PutResponse>::default();
    let answer = grpc(&harness)
        .await
        .unary(Request::new(strange()), path, codec)
        .await;
    let expected = (Code::Unimplemented, "UNSUPPORTED".to_owned());
    assert_eq!(refusal(&answer.unwrap_err()), expected);
}
