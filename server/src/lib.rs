//! The leaseq job-queue server.

mod admin;
mod api;
mod auth;
pub mod config;
mod credit;
mod deadline;
mod dispatch;
mod listener;
mod os;
mod probe;
mod protocol;
mod refusal;
mod reload;
mod serve;
mod shard;
mod shutdown;
pub mod telemetry;
mod tls;

pub use auth::KeysError;
pub use probe::{ProbeError, is_ready};
pub use serve::{RunningServer, ServeError, Server};
pub use shutdown::run;
pub use tls::TlsError;
