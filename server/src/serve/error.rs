//! What keeps a server from starting or going on, each in one sentence.

use std::io;
use std::net::SocketAddr;

use leaseq_store::StoreError;

use crate::auth::KeysError;
use crate::config::ConfigError;
use crate::tls::TlsError;

/// The server cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It would not be safe.
    #[error("{0}")]
    Unsafe(String),
    /// A port cannot be opened.
    #[error("the {port} port {addr} {}; choose another with {flag}", bind_problem(.source))]
    Bind {
        /// Which port.
        port: &'static str,
        /// The flag that changes it.
        flag: &'static str,
        /// Its address.
        addr: SocketAddr,
        /// What came back.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while it was in use, or could not be read.
    #[error("{0}")]
    StoreFailed(String),
    /// The operating system gives no threads.
    #[error("the operating system gives no thread: {0}")]
    Threads(io::Error),
    /// The operating system does not let this process listen to signals.
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
    /// The API's own description is broken.
    #[error("gRPC reflection cannot be set up: {0}")]
    Reflection(String),
}

fn bind_problem(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is taken by another process".to_owned(),
        io::ErrorKind::AddrNotAvailable => "is not an address of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "may not be opened by this user (ports below 1024 belong to root)".to_owned()
        }
        _ => format!("cannot be opened: {error}"),
    }
}
