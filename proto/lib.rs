//! The gRPC API of leaseq as Rust types: messages, clients and server traits, generated from the
//! `.proto` files of this folder. Nothing is converted here. Written by hand are the codec and the
//! messages of which there is one for each job or one for each list of jobs: those have to be
//! faster than generated code. On the wire they are what the `.proto` files say.

pub mod codec;
mod field;
mod item_status;
mod job_ids;
mod jobs;
mod new_job;
mod put_answers;
mod settlement;

#[cfg(test)]
mod tests;

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

    pub use crate::item_status::ItemStatus;
    pub use crate::job_ids::JobIds;
    pub use crate::jobs::{Deliver, GetResponse};
    pub use crate::new_job::{JobOptions, NewJob};
    pub use crate::put_answers::{PutResponse, PutStreamResponse};
    pub use crate::settlement::{Complete, Settlement};

    /// The choice in `NewJob`.
    pub mod new_job {
        pub use crate::new_job::Start;
    }

    /// The choice in `Settlement`.
    pub mod settlement {
        pub use crate::settlement::Verdict;
    }

    include!(concat!(env!("OUT_DIR"), "/leaseq.v1.rs"));
}

/// gRPC's health service, the protobuf package `grpc.health.v1`.
pub mod health {
    #![allow(
        clippy::all,
        clippy::pedantic,
        unreachable_pub,
        missing_docs,
        rustdoc::all
    )]

    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));

    /// The compiled `.proto` file: what gRPC reflection serves.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/health_descriptor.bin"));
}

/// The compiled `.proto` files with their comments and imports: what gRPC reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/leaseq_descriptor.bin"));
