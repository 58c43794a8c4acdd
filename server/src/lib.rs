//! The leaseq job-queue server.

mod shard;
