//! Translates: gRPC messages into commands of the shard, its answers back into messages.
//!
//! Nothing is decided here. A request is checked as far as that needs no state, all of it before
//! anything is done; what a status looks like is said in `status.rs` alone. A handler may be
//! dropped at every `await`: what it waited for is abandoned by the drop of its `Pending`.

mod admin_jobs;
mod admin_queue;
mod caller;
pub(crate) mod convert;
pub(crate) mod extend;
pub(crate) mod fault;
mod get;
mod headers;
mod info;
mod jobs;
pub(crate) mod lease;
mod page_token;
mod put;
mod put_stream;
pub(crate) mod roles;
mod services;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod token;

use std::sync::Arc;

use leaseq_engine::command::Command;
use leaseq_engine::effect::Reply;
use leaseq_engine::id::Ticket;
use leaseq_proto::v1::admin_service_server::AdminServiceServer;
use leaseq_proto::v1::queue_service_server::QueueServiceServer;
use tonic::codec::CompressionEncoding;

use crate::config::Limits;
use crate::dispatch::{Edge, Metering};
use crate::shard::ShardHandle;
use fault::Fault;

pub(crate) use get::get_contents_max;
pub(crate) use info::ServerFacts;

/// The methods that take a stream of messages; all others take one.
const STREAMS: [&str; 2] = [
    "/leaseq.v1.QueueService/PutStream",
    "/leaseq.v1.QueueService/Lease",
];

/// The API of one namespace. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    shard: ShardHandle,
    limits: Arc<Limits>,
    facts: Arc<ServerFacts>,
}

impl Api {
    /// The API of the namespace that `shard` drives.
    pub(crate) fn new(shard: ShardHandle, limits: Arc<Limits>, facts: ServerFacts) -> Self {
        Self {
            shard,
            limits,
            facts: Arc::new(facts),
        }
    }

    /// What masters and workers call.
    pub(crate) fn queue_service(&self) -> Metering<Edge<QueueServiceServer<Self>>> {
        let request_bytes_max = self.limits.request_bytes_max;
        let service = QueueServiceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(request_bytes_max)
            .max_encoding_message_size(usize::MAX); // deliveries are cut by dispatch
        Metering(Edge::new(service, request_bytes_max, &STREAMS))
    }

    /// What operators call.
    pub(crate) fn admin_service(&self) -> Metering<Edge<AdminServiceServer<Self>>> {
        let request_bytes_max = self.limits.request_bytes_max;
        let service = AdminServiceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(request_bytes_max)
            .max_encoding_message_size(usize::MAX); // pages are cut by their handlers
        Metering(Edge::new(service, request_bytes_max, &STREAMS))
    }

    /// Asks the shard for something whose answer has no content.
    async fn ask(&self, build: impl FnOnce(Ticket) -> Command) -> Result<Reply, Fault> {
        Ok(self.shard.call(build).await?.reply)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn the_methods_that_take_a_stream_are_known() {
        let files = FileDescriptorSet::decode(leaseq_proto::FILE_DESCRIPTOR_SET).expect("ours");
        let mut streams = BTreeSet::new();
        for file in &files.file {
            for service in &file.service {
                let name = format!("/{}.{}/", file.package(), service.name());
                let methods = service.method.iter();
                let methods = methods.filter(|method| method.client_streaming());
                streams.extend(methods.map(|method| format!("{name}{}", method.name())));
            }
        }
        let known: BTreeSet<String> = STREAMS.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(known, streams);
    }
}
