//! The two calls that the bench makes besides its load, and the refusal of all others.

use std::sync::Arc;

use leaseq_proto::v1::admin_service_server::{AdminService, AdminServiceServer};
use leaseq_proto::v1::*;
use tonic::{Request, Response, Status};

use super::noop::not_here;
use super::ready::Ready;

pub(super) fn service(ready: Arc<Ready>) -> AdminServiceServer<Admin> {
    AdminServiceServer::new(Admin { ready })
}

pub(super) struct Admin {
    ready: Arc<Ready>,
}

/// Implements the whole service: these calls as given, those by refusing.
macro_rules! admin {
    ($($name:ident: $request:ty => $response:ty,)*) => {
        #[tonic::async_trait]
        impl AdminService for Admin {
            async fn get_server_info(
                &self,
                _: Request<GetServerInfoRequest>,
            ) -> Result<Response<GetServerInfoResponse>, Status> {
                Ok(Response::new(GetServerInfoResponse {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    store: "none".to_owned(),
                    sync: "never".to_owned(),
                    ..GetServerInfoResponse::default()
                }))
            }

            async fn delete_queue(
                &self,
                _: Request<DeleteQueueRequest>,
            ) -> Result<Response<DeleteQueueResponse>, Status> {
                self.ready.clear();
                Ok(Response::new(DeleteQueueResponse::default()))
            }

            $(async fn $name(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                not_here()
            })*
        }
    };
}

admin! {
    create_queue: CreateQueueRequest => CreateQueueResponse,
    get_queue: GetQueueRequest => GetQueueResponse,
    list_queues: ListQueuesRequest => ListQueuesResponse,
    update_queue: UpdateQueueRequest => UpdateQueueResponse,
    pause_queue: PauseQueueRequest => PauseQueueResponse,
    resume_queue: ResumeQueueRequest => ResumeQueueResponse,
    get_job: GetJobRequest => GetJobResponse,
    list_jobs: ListJobsRequest => ListJobsResponse,
    purge_jobs: PurgeJobsRequest => PurgeJobsResponse,
    redrive_jobs: RedriveJobsRequest => RedriveJobsResponse,
}
