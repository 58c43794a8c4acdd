//! The connection that everything else shares, and the one way in which calls are made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leaseq_proto::v1 as proto;
use proto::admin_service_client::AdminServiceClient;
use proto::queue_service_client::QueueServiceClient;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::connect::ClientBuilder;
use crate::error::{self, Result};
use crate::retry::{Patience, Retry};

/// The largest answer taken. The server keeps to its own, smaller limit.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to a leaseq server. Cloning is cheap; clones share the connection, which is made
/// with the first call and made again whenever it breaks.
///
/// Every call that may be repeated without harm is repeated while the server does not answer, for
/// as long as the [builder](ClientBuilder::connect_timeout) says.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) patience: Patience,
    /// Whether the patience was chosen by the user.
    pub(crate) patience_given: bool,
}

pub(crate) struct Inner {
    pub(crate) channel: Channel,
    pub(crate) addr: Arc<str>,
    pub(crate) authkey: Option<MetadataValue<Ascii>>,
}

/// What an attempt at a call gives.
type Answer<T> = std::result::Result<tonic::Response<T>, tonic::Status>;

impl Client {
    /// Sets up a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to a server, with the authkey of `LEASEQ_AUTHKEY` if that is set. Waits up to 30 s
    /// for a server that does not answer yet.
    pub async fn connect(address: impl Into<String>) -> Result<Self> {
        Self::builder().from_env().address(address).connect().await
    }

    /// A client for the server of `LEASEQ_ADDR` (default `127.0.0.1:5327`), with the authkey of
    /// `LEASEQ_AUTHKEY`. It connects with its first call.
    pub fn from_env() -> Result<Self> {
        Self::builder().from_env().build()
    }

    /// The server's address as `host:port`.
    pub fn address(&self) -> &str {
        &self.inner.addr
    }

    /// The same connection, waiting for ever for the server unless the user chose otherwise.
    pub(crate) fn patient(&self) -> Self {
        let mut client = self.clone();
        if !client.patience_given {
            client.patience = Patience::Forever;
        }
        client
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.patience, &self.inner.addr)
    }

    pub(crate) fn queues(&self) -> QueueServiceClient<Channel> {
        QueueServiceClient::new(self.inner.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.inner.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// A request with the authkey.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(key) = &self.inner.authkey {
            request.metadata_mut().insert("authkey", key.clone());
        }
        request
    }

    pub(crate) fn error(&self, status: &tonic::Status) -> crate::Error {
        error::from_status(status, &self.inner.addr)
    }

    /// Makes a call until it is answered.
    pub(crate) async fn call<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Answer<T>>,
    {
        self.call_waiting(None, attempt).await
    }

    /// Makes a call until it is answered. With `until`, an answer that says "full, retry later" is
    /// waited out, up to that moment.
    pub(crate) async fn call_waiting<T, F>(
        &self,
        until: Option<Instant>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let mut retry = self.retry();
        loop {
            retry.begin();
            let error = match attempt().await {
                Ok(response) => {
                    retry.answered();
                    return Ok(response.into_inner());
                }
                Err(status) => self.error(&status),
            };
            match room_comes(&error, until) {
                Some(delay) => {
                    tracing::info!("{error}; trying again in {} ms", delay.as_millis());
                    tokio::time::sleep(delay).await;
                }
                None => retry.pause(error).await?,
            }
        }
    }
}

/// How long to wait for room, if the server names a time and it comes before `until`.
fn room_comes(error: &crate::Error, until: Option<Instant>) -> Option<Duration> {
    let left = until?.saturating_duration_since(Instant::now());
    let delay = error.retry_after().filter(|_| error.is_exhausted())?;
    (delay < left).then_some(delay)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.inner.addr)
            .finish_non_exhaustive()
    }
}
