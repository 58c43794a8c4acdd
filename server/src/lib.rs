//! The leaseq job-queue server.
