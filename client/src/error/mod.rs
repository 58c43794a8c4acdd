//! What can go wrong, as facts. A message says what happened, to what, and what to do about it.

mod decode;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use decode::{from_item, from_status};

/// What the calls of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not do what was asked.
///
/// Nothing having come in time is not an error: `get` gives an empty list then.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The call carried no authkey, a wrong one, or one that was revoked. Never tried again.
    #[error(
        "not authenticated: {message}; the authkey comes from LEASEQ_AUTHKEY or from Client::builder().authkey(..)"
    )]
    Unauthenticated {
        /// What the server said.
        message: String,
    },
    /// The authkey is good, but not for this call or this queue.
    #[error("not permitted: {message}")]
    PermissionDenied {
        /// What the server said.
        message: String,
    },
    /// A value that the server does not take. Nothing of the call was done.
    #[error("invalid argument{}: {message}", in_field(.field))]
    InvalidArgument {
        /// The field of the request, such as `jobs[3].headers`.
        field: Option<String>,
        /// What is wrong with it.
        message: String,
    },
    /// A payload or a result is larger than the server takes.
    #[error("too large: {message}")]
    PayloadTooLarge {
        /// The server's limit in bytes.
        max: Option<u64>,
        /// What the server said.
        message: String,
    },
    /// These bytes are not a lease token of this server.
    #[error("{message}")]
    LeaseTokenInvalid {
        /// What the server said.
        message: String,
    },
    /// The request id was used for a different Put.
    #[error("{message}")]
    RequestIdReused {
        /// What the server said.
        message: String,
    },
    /// There is no such queue.
    #[error("{message}")]
    QueueNotFound {
        /// What the server said.
        message: String,
    },
    /// There is no such job, or it has ended and nothing of it is kept.
    #[error("{message}")]
    JobNotFound {
        /// What the server said.
        message: String,
    },
    /// A queue of this name exists.
    #[error("{message}")]
    QueueExists {
        /// What the server said.
        message: String,
    },
    /// The queue still holds jobs.
    #[error("{message}")]
    QueueNotEmpty {
        /// What the server said.
        message: String,
    },
    /// The queue's settings were changed by someone else since they were read.
    #[error("{message}")]
    QueueChanged {
        /// What the server said.
        message: String,
    },
    /// The lease has ended: the job is someone else's, ready again, or gone.
    #[error("{message}")]
    LeaseLost {
        /// What the server said.
        message: String,
    },
    /// The lease was settled before with another verdict.
    #[error("{message}")]
    AlreadySettled {
        /// What the server said.
        message: String,
    },
    /// The job has ended already.
    #[error("{message}")]
    JobEnded {
        /// What the server said.
        message: String,
    },
    /// The content of the job is damaged on the server's disk and cannot be read.
    #[error("{message}")]
    ContentDamaged {
        /// What the server said.
        message: String,
    },
    /// Nothing was heard from the session in time: its leases have ended.
    #[error("the session has expired: {message}")]
    SessionExpired {
        /// What the server said.
        message: String,
    },
    /// The stream broke the protocol of the lease session.
    #[error("the session ended: {message}")]
    SessionProtocol {
        /// What the server said.
        message: String,
    },
    /// The queue holds all the jobs it may.
    #[error("{message}")]
    QueueFull {
        /// When to try again, if the server says so.
        retry_after: Option<Duration>,
        /// What the server said.
        message: String,
    },
    /// The server's disk is down to its reserve; settling goes on, putting does not.
    #[error("{message}")]
    DiskFull {
        /// When to try again, if the server says so.
        retry_after: Option<Duration>,
        /// What the server said.
        message: String,
    },
    /// A limit of the server is reached.
    #[error("{message}")]
    LimitReached {
        /// When to try again, if the server says so.
        retry_after: Option<Duration>,
        /// What the server said.
        message: String,
    },
    /// The server answers, but not now: it starts, shuts down or has lost its disk.
    #[error("the server is not available: {message}")]
    Unavailable {
        /// When to try again, if the server says so.
        retry_after: Option<Duration>,
        /// What the server said.
        message: String,
    },
    /// Nothing answers at the address, or the connection broke. Whether the call was done is not
    /// known; putting with the same request id and settling again are safe.
    #[error(
        "leaseq at {addr} does not answer ({cause}); is the server running, and is LEASEQ_ADDR right?"
    )]
    Unreachable {
        /// Where.
        addr: Arc<str>,
        /// What happened on the way.
        cause: String,
    },
    /// No TLS connection came about. Not tried again: certificates do not mend themselves.
    #[error(
        "no TLS connection to {addr}: {cause}; give the server's CA with Client::builder().ca_certificate(..)"
    )]
    Tls {
        /// Where.
        addr: Arc<str>,
        /// What is wrong.
        cause: String,
    },
    /// This client was set up with something that cannot be used.
    #[error("{message}")]
    Config {
        /// What, and what would do.
        message: String,
    },
    /// The server does not know the call.
    #[error("the server does not know this call ({message}); it may be older than this client")]
    Unsupported {
        /// What the server said.
        message: String,
    },
    /// The stream or session was closed on this side.
    #[error("the {what} is closed")]
    Closed {
        /// Which.
        what: &'static str,
    },
    /// A payload is not what its reader expects.
    #[error("the payload cannot be read: {message}")]
    Payload {
        /// Why not.
        message: String,
    },
    /// A bug in the server, or an answer this client does not understand.
    #[error("internal error: {message}")]
    Internal {
        /// What was said.
        message: String,
    },
}

impl Error {
    /// Whether nothing answered at the address: the server is down or the address is wrong.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Tls { .. })
    }

    /// Whether the authkey is missing, wrong, or lacks the right.
    pub fn is_auth(&self) -> bool {
        matches!(
            self,
            Self::Unauthenticated { .. } | Self::PermissionDenied { .. }
        )
    }

    /// Whether the same call may succeed a little later, with nothing changed by the caller.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }

    /// When to try again, if the server says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. }
            | Self::DiskFull { retry_after, .. }
            | Self::LimitReached { retry_after, .. }
            | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether a limit is in the way that may give way by itself.
    pub(crate) fn is_exhausted(&self) -> bool {
        matches!(
            self,
            Self::QueueFull { .. } | Self::DiskFull { .. } | Self::LimitReached { .. }
        )
    }

    /// Whether a session that ended like this will end like this again when it is opened again.
    pub(crate) fn is_fatal_to_session(&self) -> bool {
        !self.is_transient()
            && !self.is_exhausted()
            && !matches!(
                self,
                Self::SessionExpired { .. } | Self::SessionProtocol { .. } | Self::Internal { .. }
            )
    }
}

fn in_field(field: &Option<String>) -> String {
    field
        .as_ref()
        .map(|field| format!(" in {field}"))
        .unwrap_or_default()
}
