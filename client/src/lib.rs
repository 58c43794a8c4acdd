//! The Rust client of leaseq.
