//! The gRPC API of leaseq as Rust types: messages, clients and server traits, generated from the
//! `.proto` files of this folder. Nothing is converted here. Written by hand are the codec and the
//! two messages that have to be faster than generated code.

pub mod codec;
mod jobs;

/// Version 1 of the API, the protobuf package `leaseq.v1`.
pub mod v1 {
    // Generated from comments that are written for every language, not for rustdoc and clippy.
    #![allow(
        clippy::all,
        clippy::pedantic,
        unreachable_pub,
        missing_docs,
        rustdoc::all
    )]

    pub use crate::jobs::{Deliver, GetResponse};

    include!(concat!(env!("OUT_DIR"), "/leaseq.v1.rs"));
}

/// The compiled `.proto` files with their comments and imports: what gRPC reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/leaseq_descriptor.bin"));
