//! A server behind real sockets, on a machine whose clocks a test moves.

use std::sync::Arc;
use std::time::Duration;

use leaseq_proto::v1::admin_service_client::AdminServiceClient;
use leaseq_proto::v1::lease_request::Request as Say;
use leaseq_proto::v1::lease_response::Response as Hear;
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use leaseq_proto::v1::{
    GetQueueRequest, Heartbeat, LeaseRequest, NewJob, Open, PutRequest, QueueStats,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::*;
use crate::config::StoreKind;
use crate::shard::FakeMachine;

const BEAT: Duration = Duration::from_millis(200);

struct Desk {
    machine: Arc<FakeMachine>,
    channel: Channel,
    _server: RunningServer,
}

impl Desk {
    async fn new() -> Self {
        let machine = Arc::new(FakeMachine::default());
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: None,
            store: StoreKind::Memory,
            ..Config::default()
        };
        let server = Server::new(config).with_clock(Clock::of(Arc::clone(&machine) as _));
        let server = server.start().await.unwrap();
        server.ready().await.unwrap();
        let uri = format!("http://{}", server.grpc_addr());
        let channel = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        Self {
            machine,
            channel,
            _server: server,
        }
    }

    /// What is in the queue, after the shard has looked at its clock.
    async fn stats(&self) -> QueueStats {
        let request = GetQueueRequest { queue: "q".into() };
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let answer = admin.get_queue(request).await.unwrap().into_inner();
        answer.queue.unwrap().stats.unwrap()
    }
}

#[tokio::test]
async fn a_stopped_server_reads_the_heartbeats_in_its_sockets_before_anything_expires() {
    let desk = Desk::new().await;
    let mut queue = QueueServiceClient::new(desk.channel.clone());
    let put = PutRequest {
        queue: "q".into(),
        jobs: vec![NewJob::new("job")],
        ..PutRequest::default()
    };
    queue.put(put).await.unwrap();
    let (say, requests) = mpsc::channel(8);
    let message = |request| LeaseRequest {
        request: Some(request),
    };
    let open = Open {
        queues: vec!["q".into()],
        lease_duration: Some(Duration::from_secs(2).try_into().unwrap()),
        ..Open::default()
    };
    say.send(message(Say::Open(open))).await.unwrap();
    let stream = queue.lease(ReceiverStream::new(requests)).await.unwrap();
    let mut stream = stream.into_inner();
    let mut hear = async || stream.message().await.unwrap().unwrap().response.unwrap();
    while !matches!(hear().await, Hear::Deliver(_)) {}

    for _ in 0..3 {
        desk.machine.pass(Duration::from_millis(3_500));
        // The shard wakes and finds a call before the heartbeat.
        assert_eq!(desk.stats().await.leased_count, 1);
        let beat = Say::Heartbeat(Heartbeat::default());
        say.send(message(beat)).await.unwrap();
        while !matches!(hear().await, Hear::Heartbeat(_)) {}
        for _ in 0..9 {
            desk.machine.pass(BEAT);
            assert_eq!(desk.stats().await.leased_count, 1);
        }
    }
}
