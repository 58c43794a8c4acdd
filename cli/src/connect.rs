//! How the verbs reach a server: address, authkey, certificates, and how long they wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use leaseq_client::{Client, ClientBuilder, Error};

use crate::exit::{Exit, Failure};
use crate::notice::{self, Notices};
use crate::values;

/// The key of `leaseq dev` unless it is given another. On this machine it is also what a client
/// shows that was given none: the first five minutes need no key, and nobody else's server has it.
pub(crate) const DEV_AUTHKEY: &str = "dev";

/// Where `leaseq serve` and `leaseq dev` listen unless they are told otherwise.
const ADDR_DEFAULT: &str = "127.0.0.1:5327";

/// Where the server is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// The server: host:port, http://host:port or https://host:port [default: 127.0.0.1:5327]
    #[arg(long, env = "LEASEQ_ADDR", hide_env_values = true, value_name = "ADDR")]
    addr: Option<String>,
    /// A file with the authkey; without it, LEASEQ_AUTHKEY holds the key itself
    #[arg(
        long,
        env = "LEASEQ_AUTHKEY_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    authkey_file: Option<PathBuf>,
    /// Trust only servers with a certificate of this CA (PEM)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    ca: Option<PathBuf>,
    /// The name in the server's certificate, if it is not the address's host
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    tls_name: Option<String>,
    /// Show the server this certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_key",
        hide_short_help = true
    )]
    client_cert: Option<PathBuf>,
    /// The private key of --client-cert (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_cert",
        hide_short_help = true
    )]
    client_key: Option<PathBuf>,
    /// How long to go on trying while no server answers
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = values::duration)]
    connect_timeout: Duration,
}

impl Connect {
    /// A client that gives up after `--connect-timeout`.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        notice::listen(Notices::First);
        Ok(self
            .builder()?
            .connect_timeout(self.connect_timeout)
            .build()?)
    }

    /// A client for work without an end: it waits for its server.
    pub(crate) fn patient_client(&self) -> Result<Client, Failure> {
        notice::listen(Notices::All);
        Ok(self.builder()?.wait_forever().build()?)
    }

    /// Whether a server was named at all.
    pub(crate) fn is_given(&self) -> bool {
        self.addr.is_some()
    }

    /// A client before it is told how long to wait.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Failure> {
        let mut builder = Client::builder().address(self.addr());
        if let Some(key) = self.authkey()? {
            builder = builder.authkey(key);
        }
        if let Some(path) = &self.ca {
            builder = builder.ca_certificate(read(path)?);
        }
        if let Some(name) = &self.tls_name {
            builder = builder.tls_name(name);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let key = String::from_utf8_lossy(&read(key)?).into_owned();
            builder = builder.client_certificate(read(certificate)?, key);
        }
        Ok(builder)
    }

    fn addr(&self) -> &str {
        self.addr.as_deref().unwrap_or(ADDR_DEFAULT)
    }

    fn authkey(&self) -> Result<Option<String>, Failure> {
        if let Some(key) = authkey_variable() {
            return Ok(Some(key));
        }
        if let Some(path) = &self.authkey_file {
            let text = String::from_utf8_lossy(&read(path)?).into_owned();
            let key = text.lines().next().unwrap_or_default().trim();
            return Ok(Some(key.to_owned()));
        }
        Ok(is_loopback(self.addr()).then(|| DEV_AUTHKEY.to_owned()))
    }
}

/// A builder for a server of our own.
pub(crate) fn to_child(addr: &str, authkey: &str) -> ClientBuilder {
    Client::builder().address(addr).authkey(authkey)
}

/// The key in the environment. It is never an argument: those can be read by everyone.
#[expect(
    clippy::disallowed_methods,
    reason = "as a clap option it would be a flag as well"
)]
pub(crate) fn authkey_variable() -> Option<String> {
    std::env::var("LEASEQ_AUTHKEY")
        .ok()
        .filter(|key| !key.is_empty())
}

/// Whether the address, as it is written, can only be on this machine.
fn is_loopback(addr: &str) -> bool {
    let host_and_port = addr.split_once("://").map_or(addr, |(_, rest)| rest);
    let host = match host_and_port.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next(),
        None => host_and_port.split([':', '/']).next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::error(format!("cannot read {}: {error}", path.display())))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(exit_of(&error), error.to_string());
        let failure = match reason_of(&error) {
            Some(reason) => failure.reason(reason),
            None => failure,
        };
        match hint_for(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        error if error.is_auth() => Exit::Auth,
        error if error.is_transient() || error.is_unreachable() => Exit::Unreachable,
        Error::InvalidArgument { .. } | Error::LeaseTokenInvalid { .. } | Error::Config { .. } => {
            Exit::Usage
        }
        _ => Exit::Error,
    }
}

/// The word for scripts: that of the API where the error came from there.
fn reason_of(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unauthenticated { .. } => "UNAUTHENTICATED",
        Error::PermissionDenied { .. } => "PERMISSION_DENIED",
        Error::InvalidArgument { .. } => "INVALID_FIELD",
        Error::PayloadTooLarge { .. } => "PAYLOAD_TOO_LARGE",
        Error::LeaseTokenInvalid { .. } => "LEASE_TOKEN_INVALID",
        Error::RequestIdReused { .. } => "REQUEST_ID_REUSED",
        Error::QueueNotFound { .. } => "QUEUE_NOT_FOUND",
        Error::JobNotFound { .. } => "JOB_NOT_FOUND",
        Error::QueueExists { .. } => "QUEUE_EXISTS",
        Error::QueueNotEmpty { .. } => "QUEUE_NOT_EMPTY",
        Error::QueueChanged { .. } => "ETAG_MISMATCH",
        Error::LeaseLost { .. } => "LEASE_LOST",
        Error::AlreadySettled { .. } => "ALREADY_SETTLED",
        Error::JobEnded { .. } => "JOB_ENDED",
        Error::ContentDamaged { .. } => "CONTENT_DAMAGED",
        Error::SessionProtocol { .. } => "SESSION_PROTOCOL",
        Error::QueueFull { .. } => "QUEUE_FULL",
        Error::DiskFull { .. } => "DISK_FULL",
        Error::LimitReached { .. } => "LIMIT_REACHED",
        Error::Unavailable { .. } => "UNAVAILABLE",
        Error::Unreachable { .. } => "UNREACHABLE",
        Error::Internal { .. } => "INTERNAL",
        _ => return None,
    })
}

/// What to type next.
fn hint_for(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unauthenticated { .. } => {
            "LEASEQ_AUTHKEY=<the server's key> leaseq …   (the key of `leaseq dev` is dev)"
        }
        Error::Unreachable { .. } => {
            "leaseq dev   (starts a server here), or LEASEQ_ADDR=host:port leaseq …"
        }
        Error::Tls { .. } => "--ca FILE   (the CA that signed the server's certificate)",
        Error::QueueNotFound { .. } => "leaseq queue ls, or leaseq queue create QUEUE",
        Error::JobNotFound { .. } => "leaseq job ls QUEUE",
        Error::QueueExists { .. } => "leaseq queue update QUEUE …   (changes its settings)",
        Error::QueueFull { .. } => "leaseq put … --wait 30s   (waits for room)",
        Error::LeaseTokenInvalid { .. } => "leaseq get QUEUE --keep   (prints the token)",
        Error::RequestIdReused { .. } => "leaseq put … without --request-id, or with a new one",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_text() {
        let check = |addr: &str, loopback: bool| assert_eq!(is_loopback(addr), loopback, "{addr}");
        check("127.0.0.1:5327", true);
        check("http://127.0.0.1:5327", true);
        check("localhost", true);
        check("[::1]:5327", true);
        check("https://[::1]", true);
        check("10.0.0.1:5327", false);
        check("queue.example:5327", false);
        check("localhost.example:5327", false);
        check("127.0.0.1.example:5327", false);
    }

    #[test]
    fn errors_have_the_documented_exit_codes() {
        let message = || "why".to_owned();
        let check = |error: Error, exit: Exit| assert_eq!(exit_of(&error), exit, "{error}");
        check(Error::Unauthenticated { message: message() }, Exit::Auth);
        check(Error::PermissionDenied { message: message() }, Exit::Auth);
        check(Error::QueueNotFound { message: message() }, Exit::Error);
        check(Error::Config { message: message() }, Exit::Usage);
        let unreachable = Error::Unreachable {
            addr: "127.0.0.1:1".into(),
            cause: message(),
        };
        check(unreachable, Exit::Unreachable);
    }
}
