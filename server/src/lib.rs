//! The leaseq job-queue server.

mod api;
pub mod auth;
pub mod config;
mod dispatch;
mod listener;
mod os;
mod refusal;
mod shard;
pub mod telemetry;
mod tls;
