//! gRPC health: SERVING exactly while the shard serves.

use std::collections::HashMap;
use std::pin::Pin;

use leaseq_proto::health::health_check_response::ServingStatus;
use leaseq_proto::health::health_server::{Health, HealthServer};
use leaseq_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use leaseq_proto::v1::ErrorReason;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status};

use crate::dispatch::Edge;
use crate::refusal::status;
use crate::shard::Condition;

/// The names that can be asked for; the empty one is the server as a whole.
const SERVICES: [&str; 3] = ["", "leaseq.v1.QueueService", "leaseq.v1.AdminService"];

/// The largest request. Callers need no key, and the name of a service is short.
const REQUEST_BYTES_MAX: usize = 1 << 10;

/// The health of the server that `shard` serves.
pub(super) fn service(shard: watch::Receiver<Condition>) -> Edge<HealthServer<impl Health>> {
    let service =
        HealthServer::new(HealthService { shard }).max_decoding_message_size(REQUEST_BYTES_MAX);
    Edge::new(service, REQUEST_BYTES_MAX, &[])
}

struct HealthService {
    shard: watch::Receiver<Condition>,
}

impl HealthService {
    fn now(&self) -> HealthCheckResponse {
        answer(serving(&self.shard.borrow()))
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(request.get_ref()) {
            let text = "this server has no such service; ask for \"\", \
                        \"leaseq.v1.QueueService\" or \"leaseq.v1.AdminService\"";
            return Err(status(Code::NotFound, ErrorReason::ServiceNotFound, text));
        }
        Ok(Response::new(self.now()))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let statuses: HashMap<_, _> = SERVICES
            .into_iter()
            .map(|service| (service.to_owned(), self.now()))
            .collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = is_known(request.get_ref());
        let mut told = None;
        // The stream of an unknown service lasts as well: clients take its end for a reason to
        // ask again.
        let changes = WatchStream::new(self.shard.clone()).filter_map(move |condition| {
            let now = match known {
                true => serving(&condition),
                false => ServingStatus::ServiceUnknown,
            };
            (told.replace(now) != Some(now)).then(|| Ok(answer(now)))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

fn is_known(request: &HealthCheckRequest) -> bool {
    SERVICES.contains(&request.service.as_str())
}

fn serving(condition: &Condition) -> ServingStatus {
    match condition {
        Condition::Serving => ServingStatus::Serving,
        Condition::Recovering | Condition::Draining | Condition::Stopped | Condition::Failed(_) => {
            ServingStatus::NotServing
        }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
