//! What a worker says on its lease stream, on its way to the shard.

use std::time::Duration;

use leaseq_engine::command::Command;
use leaseq_engine::id::{SessionId, Ticket};
use leaseq_proto::v1::lease_request::Request;
use leaseq_proto::v1::lease_response::Response;
use leaseq_proto::v1::{Flow, Heartbeat, LeaseRequest, Open};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::due::{Asked, Due};
use crate::api::convert::session::flow;
use crate::api::fault::{Fault, Invalid};
use crate::api::lease::{Speech, inside};
use crate::api::status::adopted;
use crate::shard::{Refusal, SessionSender, ShardHandle};

/// How long a stream may stand without `open`: it costs memory and does nothing.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// One worker's requests.
pub(super) struct Inbound {
    session: SessionSender,
    shard: ShardHandle,
    speech: Speech,
    due: mpsc::Sender<Due>,
}

impl Inbound {
    pub(super) fn new(
        session: SessionSender,
        shard: ShardHandle,
        speech: Speech,
        due: mpsc::Sender<Due>,
    ) -> Self {
        Self {
            session,
            shard,
            speech,
            due,
        }
    }

    /// Reads until the worker has said its last, breaks the protocol, or loses its rights.
    pub(super) async fn run(self, requests: Streaming<LeaseRequest>) {
        let revoked = self.speech.identity.revoked();
        let ended = tokio::select! {
            biased;
            () = revoked => Err(Fault::Revoked.into()),
            ended = self.read(requests) => ended,
        };
        match ended {
            // What was asked is still answered; nothing new is delivered to one who has hung up.
            Ok(()) => self.session.drain(),
            Err(status) => {
                // At once, and not when the transport gets to it: a worker that does not read
                // must not keep its leases that way.
                self.session.close();
                self.owe(Due::End(status)).await;
            }
        }
    }

    async fn read(&self, mut requests: Streaming<LeaseRequest>) -> Result<(), Status> {
        let first = tokio::time::timeout(OPEN_TIMEOUT, self.next(&mut requests))
            .await
            .map_err(|_| Fault::Protocol("no `open` came in time"))??;
        match first {
            None => return Ok(()),
            Some(Request::Open(open)) => self.open(open).await?,
            Some(_) => return Err(Fault::Protocol("the first request must be `open`").into()),
        }
        while let Some(request) = self.next(&mut requests).await? {
            self.request(request).await?;
        }
        Ok(())
    }

    async fn next(
        &self,
        requests: &mut Streaming<LeaseRequest>,
    ) -> Result<Option<Request>, Status> {
        let next = requests.message().await;
        let Some(message) =
            next.map_err(|broken| adopted(&broken, self.speech.limits.request_bytes_max))?
        else {
            return Ok(None);
        };
        let request = message.request.ok_or_else(|| {
            let problem = "is not set, or is one that this server does not know";
            Fault::from(Invalid::new("request", problem))
        })?;
        Ok(Some(request))
    }

    async fn open(&self, open: Open) -> Result<(), Status> {
        let (command, mut opened) = self.speech.open(open)?;
        opened.session_id = format!("{:016x}", self.session.id().0);
        self.ask(command, Asked::Open(opened), 0).await
    }

    async fn request(&self, request: Request) -> Result<(), Status> {
        match request {
            Request::Open(_) => return Err(Fault::Protocol("`open` came twice").into()),
            Request::Flow(flow) => self.flow(flow)?,
            Request::Settle(settle) => {
                let count = settle.settlements.len();
                let (command, refused) = self.speech.settle(settle, self.shard.random());
                self.ask(command, Asked::Settle(refused), count).await?;
            }
            Request::Extend(extend) => {
                let count = extend.lease_tokens.len();
                let (command, refused) = self.speech.extend(extend);
                self.ask(command, Asked::Extend(refused), count).await?;
            }
            Request::Heartbeat(_) => {
                self.session.heartbeat();
                self.owe(Due::Ready(Response::Heartbeat(Heartbeat {})))
                    .await;
            }
            Request::Drain(_) => self.session.drain(),
        }
        Ok(())
    }

    fn flow(&self, wire: Flow) -> Result<(), Fault> {
        let flow =
            flow(wire, &self.speech.limits).map_err(|invalid| inside("flow", invalid.into()))?;
        self.session.flow(flow);
        Ok(())
    }

    /// Asks the shard for something with `count` entries, whose answer comes through the outbox.
    /// When the shard has too much to do, the entries say so and the stream goes on.
    async fn ask(
        &self,
        build: impl FnOnce(SessionId, Ticket) -> Command,
        asked: Asked,
        count: usize,
    ) -> Result<(), Status> {
        // There is room for the answer before the question is put.
        let Ok(room) = self.due.reserve().await else {
            return Ok(()); // The other half is gone, and this one with it.
        };
        match self.session.submit(build) {
            Ok(()) => room.send(Due::Answer(asked)),
            Err(refusal @ Refusal::Overloaded { .. }) => {
                room.send(Due::Ready(asked.refused(count, refusal.into())?));
            }
            Err(refusal) => return Err(Fault::from(refusal).into()),
        }
        Ok(())
    }

    async fn owe(&self, due: Due) {
        // It fails only if the other half is gone, and then nobody wants to know.
        let _ = self.due.send(due).await;
    }
}
