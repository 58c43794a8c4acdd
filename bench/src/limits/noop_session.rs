//! A lease session without leases: it delivers what its flow limit allows, and every settlement
//! is fine.

use std::sync::Arc;

use leaseq_proto::v1::lease_request::Request;
use leaseq_proto::v1::lease_response::Response;
use leaseq_proto::v1::*;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::noop::Answers;
use super::ready::Ready;

/// Answers on their way to the connection.
const OUTBOX: usize = 64;
/// The most jobs in one delivery, as in the server.
const DELIVERY_JOBS_MAX: usize = 1_000;

type Outbox = mpsc::Sender<std::result::Result<LeaseResponse, Status>>;

/// The answers of one session.
pub(super) fn run(requests: Streaming<LeaseRequest>, ready: Arc<Ready>) -> Answers<LeaseResponse> {
    let (outbox, answers) = mpsc::channel(OUTBOX);
    let session = Session {
        outbox,
        ready,
        flow: 0,
        held: 0,
    };
    tokio::spawn(session.serve(requests));
    Box::pin(ReceiverStream::new(answers))
}

/// The answer to a settle: all is well.
pub(super) fn settled(request: &SettleRequest) -> SettleResponse {
    SettleResponse {
        results: vec![ItemStatus::default(); request.settlements.len()],
    }
}

struct Session {
    outbox: Outbox,
    ready: Arc<Ready>,
    flow: usize,
    held: usize,
}

impl Session {
    /// Until either side ends it.
    async fn serve(mut self, mut requests: Streaming<LeaseRequest>) -> Option<()> {
        loop {
            let free = self.flow.saturating_sub(self.held);
            self.deliver(free).await?;
            let free = self.flow.saturating_sub(self.held);
            tokio::select! {
                biased;
                request = requests.next() => self.answer(request?.ok()?).await?,
                () = self.ready.more(), if free > 0 => {}
            }
        }
    }

    async fn deliver(&mut self, free: usize) -> Option<()> {
        if free == 0 {
            return Some(());
        }
        let jobs = self.ready.take(free.min(DELIVERY_JOBS_MAX));
        if jobs.is_empty() {
            return Some(());
        }
        self.held += jobs.len();
        let deliver = Deliver {
            queue: "noop".to_owned(),
            jobs,
            expire_time: Some(std::time::SystemTime::UNIX_EPOCH.into()),
        };
        self.send(Response::Deliver(deliver)).await
    }

    async fn answer(&mut self, request: LeaseRequest) -> Option<()> {
        match request.request? {
            Request::Open(open) => {
                self.set(open.flow);
                self.send(Response::Opened(Opened::default())).await
            }
            Request::Flow(flow) => {
                self.set(Some(flow));
                Some(())
            }
            Request::Settle(settle) => {
                self.held = self.held.saturating_sub(settle.settlements.len());
                self.send(Response::Settled(settled(&settle))).await
            }
            Request::Heartbeat(beat) => self.send(Response::Heartbeat(beat)).await,
            // Nobody in the bench extends; who drains wants the end.
            Request::Extend(_) | Request::Drain(_) => None,
        }
    }

    fn set(&mut self, flow: Option<Flow>) {
        self.flow = flow.map_or(1, |flow| flow.max_jobs as usize);
    }

    async fn send(&self, response: Response) -> Option<()> {
        let response = LeaseResponse {
            response: Some(response),
        };
        self.outbox.send(Ok(response)).await.ok()
    }
}
