//! Opening a lease session.

use std::time::Duration;

use leaseq_proto::v1 as proto;
use proto::lease_request::Request;
use proto::lease_response::Response;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::incoming::Incoming;
use crate::leased::LeaseToken;
use crate::session::Session;
use crate::wire;

/// Requests that may wait to be written; beyond that, sending waits.
const OUTBOX: usize = 64;
/// How much a session may hold: absolute numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Jobs delivered and not settled. 0: deliver nothing.
    pub max_jobs: u32,
    /// Bytes of payload and headers delivered and not settled. 0: the server's default, 64 MiB.
    pub max_bytes: u64,
}

impl Flow {
    /// This many jobs, and the default for bytes.
    pub fn jobs(max_jobs: u32) -> Self {
        Self {
            max_jobs,
            max_bytes: 0,
        }
    }

    pub(crate) fn into_proto(self) -> proto::Flow {
        proto::Flow {
            max_jobs: self.max_jobs,
            max_bytes: self.max_bytes,
        }
    }
}

/// Sets up a [`Session`].
#[must_use = "nothing is leased until the session is opened"]
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    pub(crate) client: Client,
    pub(crate) open: proto::Open,
}

impl Client {
    /// Prepares a lease session on a queue.
    pub fn session(&self, queue: impl Into<String>) -> SessionBuilder {
        let open = proto::Open {
            queues: vec![queue.into()],
            ..proto::Open::default()
        };
        SessionBuilder {
            client: self.clone(),
            open,
        }
    }
}

impl SessionBuilder {
    /// One more queue to lease from.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.open.queues.push(queue.into());
        self
    }

    /// A name for this worker, shown to operators.
    pub fn worker(mut self, name: impl Into<String>) -> Self {
        self.open.worker = name.into();
        self
    }

    /// How much the session may hold. Default: one job.
    pub fn flow(mut self, flow: Flow) -> Self {
        self.open.flow = Some(flow.into_proto());
        self
    }

    /// How long the leases outlive the last sign of life while the stream stands.
    pub fn lease_duration(mut self, duration: Duration) -> Self {
        self.open.lease_duration = Some(wire::duration(duration));
        self
    }

    /// How long the leases outlive the stream, so that a worker can come back.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.open.grace = Some(wire::duration(grace));
        self
    }

    /// The leases of an earlier stream that this worker still holds.
    pub fn held(mut self, tokens: impl IntoIterator<Item = LeaseToken>) -> Self {
        self.open.held_tokens = tokens.into_iter().map(|token| token.0).collect();
        self
    }

    /// Opens the session; tries again while the server does not answer.
    pub async fn open(self) -> Result<Session> {
        let mut retry = self.client.retry();
        loop {
            retry.begin();
            match self.open_once().await {
                Ok(session) => {
                    retry.answered();
                    return Ok(session);
                }
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Opens the session with one attempt.
    pub(crate) async fn open_once(&self) -> Result<Session> {
        let (outbox, requests) = mpsc::channel(OUTBOX);
        let open = proto::LeaseRequest {
            request: Some(Request::Open(self.open.clone())),
        };
        // The channel is new and has room: the first request is there before the call is made.
        outbox
            .try_send(open)
            .map_err(|_| Error::Closed { what: "session" })?;
        let request = self.client.request(ReceiverStream::new(requests));
        let mut stub = self.client.queues();
        let mut incoming = Incoming::new(async move { stub.lease(request).await });
        let first = incoming
            .next()
            .await
            .map_err(|status| self.client.error(&status))?;
        match first.and_then(|first| first.response) {
            Some(Response::Opened(opened)) => {
                Ok(Session::new(self.client.clone(), outbox, incoming, opened))
            }
            Some(_) => Err(Error::Internal {
                message: "the server's first answer in a session was not `opened`".to_owned(),
            }),
            None => Err(Error::Unavailable {
                retry_after: None,
                message: "the server ended the session as it was opened".to_owned(),
            }),
        }
    }
}
