//! The leaseq job-queue server.

pub mod config;
mod shard;
