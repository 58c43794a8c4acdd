//! How a client finds its server: address, authkey, TLS, and how long it waits for it.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::address::Address;
use crate::client::{Client, Inner};
use crate::error::{Error, Result};
use crate::retry::Patience;

/// Where `leaseq serve` and `leaseq dev` listen.
const ADDRESS_DEFAULT: &str = "127.0.0.1:5327";
/// How long one connection attempt may take.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(10);
/// A connection with open calls that answers no ping for this long is dead.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What the server may send before it is told that there is room for more. Window over round trip
/// is the most a stream can carry.
const STREAM_WINDOW: u32 = 4 << 20;
/// The largest frame the server may send: each is a call of the operating system of its own, and
/// with the 16 KiB that are usual a delivery of 100 jobs needs two.
const FRAME_BYTES_MAX: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// A Client that was not told waits this long for a server that does not answer.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(30);

/// Sets up a [`Client`].
///
/// ```no_run
/// # async fn example() -> leaseq_client::Result<()> {
/// use leaseq_client::Client;
///
/// let client = Client::builder()
///     .address("https://queue.example:5327")
///     .authkey("correct-horse-battery-staple")
///     .ca_certificate(std::fs::read("ca.pem").unwrap())
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct ClientBuilder {
    address: Option<String>,
    authkey: Option<SecretString>,
    tls: bool,
    ca_certificate: Option<Vec<u8>>,
    client_certificate: Option<(Vec<u8>, SecretString)>,
    tls_name: Option<String>,
    patience: Option<Patience>,
}

impl ClientBuilder {
    /// The server: `host:port`, `http://host:port` or `https://host:port`. Default:
    /// `127.0.0.1:5327`.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The key that every call carries. It is never shown in logs.
    #[must_use]
    pub fn authkey(mut self, key: impl Into<String>) -> Self {
        self.authkey = Some(SecretString::from(key.into()));
        self
    }

    /// Takes the address from `LEASEQ_ADDR` and the key from `LEASEQ_AUTHKEY`, where they are set.
    #[must_use]
    pub fn from_env(mut self) -> Self {
        if let Some(address) = read_env("LEASEQ_ADDR") {
            self.address = Some(address);
        }
        if let Some(key) = read_env("LEASEQ_AUTHKEY") {
            self.authkey = Some(SecretString::from(key));
        }
        self
    }

    /// Speaks TLS, with the machine's own root certificates unless a CA is given. `https://` does
    /// the same.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Speaks TLS and trusts only servers with a certificate of this CA, in PEM.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self.tls()
    }

    /// Speaks TLS and shows the server this certificate; both in PEM.
    #[must_use]
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>, key: impl Into<String>) -> Self {
        self.client_certificate = Some((pem.into(), SecretString::from(key.into())));
        self.tls()
    }

    /// Speaks TLS and expects this name in the server's certificate instead of the address's host.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.tls_name = Some(name.into());
        self.tls()
    }

    /// How long a call goes on trying while the server does not answer. Default: 30 s for calls of
    /// a [`Client`]; for ever for a [`Master`](crate::Master) and a [`Worker`](crate::Worker).
    #[must_use]
    pub fn connect_timeout(mut self, patience: Duration) -> Self {
        self.patience = Some(Patience::For(patience));
        self
    }

    /// Every call goes on trying until the server answers.
    #[must_use]
    pub fn wait_forever(mut self) -> Self {
        self.patience = Some(Patience::Forever);
        self
    }

    /// A server that does not answer at once is an [`Error::Unreachable`].
    #[must_use]
    pub fn fail_fast(self) -> Self {
        self.connect_timeout(Duration::ZERO)
    }

    /// A client that connects with its first call. Must be called within a tokio runtime.
    pub fn build(self) -> Result<Client> {
        let address = Address::parse(self.address.as_deref().unwrap_or(ADDRESS_DEFAULT))?;
        let tls = self.speaks_tls(&address)?;
        let authkey = self.authkey.as_ref().map(authkey_value).transpose()?;
        if authkey.is_some() && !tls && !address.is_loopback() {
            tracing::warn!(
                "the authkey goes to {address} in clear text; use https:// where others can listen"
            );
        }
        let inner = Inner {
            channel: self.channel(&address, tls)?,
            addr: Arc::clone(&address.shown),
            authkey,
        };
        let given = self.patience;
        Ok(Client {
            inner: Arc::new(inner),
            patience: given.unwrap_or(Patience::For(PATIENCE_DEFAULT)),
            patience_given: given.is_some(),
        })
    }

    /// A client whose server has answered: the address and the authkey are right.
    pub async fn connect(self) -> Result<Client> {
        let client = self.build()?;
        client.server_info().await?;
        Ok(client)
    }

    fn speaks_tls(&self, address: &Address) -> Result<bool> {
        if self.tls && address.tls == Some(false) {
            return Err(Error::Config {
                message: format!(
                    "TLS is asked for, but http://{address} says there is none; write https://{address}"
                ),
            });
        }
        Ok(self.tls || address.tls == Some(true))
    }

    fn channel(&self, address: &Address, tls: bool) -> Result<Channel> {
        let bad = |error: tonic::transport::Error| Error::Config {
            message: format!(
                "the client for {address} cannot be set up: {}",
                last_cause(&error)
            ),
        };
        let mut endpoint = Endpoint::from_shared(address.uri(tls)).map_err(bad)?;
        if tls {
            endpoint = endpoint.tls_config(self.tls_config()).map_err(bad)?;
        }
        let endpoint = endpoint
            .user_agent(concat!("leaseq-client/", env!("CARGO_PKG_VERSION")))
            .map_err(bad)?
            .connect_timeout(ATTEMPT_TIME_MAX)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            // Servers and proxies count the pings of idle connections as abuse.
            .keep_alive_while_idle(false)
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Ok(endpoint.connect_lazy())
    }

    fn tls_config(&self) -> ClientTlsConfig {
        let mut config = match &self.ca_certificate {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((pem, key)) = &self.client_certificate {
            config = config.identity(Identity::from_pem(pem, key.expose_secret()));
        }
        match &self.tls_name {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The key as it travels. Sensitive: HPACK does not index it and nothing prints it.
fn authkey_value(key: &SecretString) -> Result<MetadataValue<Ascii>> {
    let mut value = MetadataValue::try_from(key.expose_secret()).map_err(|_| Error::Config {
        message: "the authkey has characters that a header cannot carry; use visible ASCII"
            .to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client's own place for reading settings"
)]
fn read_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn last_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_work_is_said_before_anything_is_sent() {
        let plain_and_tls = Client::builder().address("http://a:1").tls().build();
        assert!(
            plain_and_tls
                .unwrap_err()
                .to_string()
                .contains("write https://a:1")
        );
        let key = Client::builder().authkey("line\nbreak").build();
        assert!(key.unwrap_err().to_string().contains("authkey"));
    }

    #[tokio::test]
    async fn the_key_is_never_shown() {
        let builder = Client::builder().authkey("hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
    }
}
