//! The leaseq job-queue server.

pub mod auth;
pub mod config;
mod listener;
mod os;
mod refusal;
mod shard;
pub mod telemetry;
mod tls;
