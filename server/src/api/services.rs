//! The two gRPC services: which handler serves which method.

use leaseq_proto::v1::admin_service_server::AdminService;
use leaseq_proto::v1::queue_service_server::QueueService;
use leaseq_proto::v1::{
    CancelJobRequest, CancelJobResponse, CreateQueueRequest, CreateQueueResponse,
    DeleteQueueRequest, DeleteQueueResponse, ExtendRequest, ExtendResponse, GetJobRequest,
    GetJobResponse, GetQueueRequest, GetQueueResponse, GetRequest, GetResponse,
    GetServerInfoRequest, GetServerInfoResponse, LeaseRequest, ListJobsRequest, ListJobsResponse,
    ListQueuesRequest, ListQueuesResponse, PauseQueueRequest, PauseQueueResponse, PurgeJobsRequest,
    PurgeJobsResponse, PutRequest, PutResponse, PutStreamRequest, RedriveJobsRequest,
    RedriveJobsResponse, ResumeQueueRequest, ResumeQueueResponse, SettleRequest, SettleResponse,
    UpdateQueueRequest, UpdateQueueResponse, WaitJobRequest, WaitJobResponse, WaitQueueRequest,
    WaitQueueResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::Api;
use super::caller::Caller;
use super::fault::Fault;
use super::put_stream::PutAnswers;
use crate::dispatch::Outbox;

/// A handler's answer as gRPC has it.
fn respond<T>(answer: Result<T, Fault>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl QueueService for Api {
    type PutStreamStream = PutAnswers;
    type LeaseStream = Outbox;

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.put(&caller, request.into_inner()).await)
    }

    async fn put_stream(
        &self,
        request: Request<Streaming<PutStreamRequest>>,
    ) -> Result<Response<PutAnswers>, Status> {
        let caller = Caller::of(&request)?;
        respond(Ok(self.put_stream(caller, request.into_inner())))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(self.get(&caller, request.into_inner()).await?)
    }

    async fn lease(
        &self,
        request: Request<Streaming<LeaseRequest>>,
    ) -> Result<Response<Outbox>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.lease(caller, request.into_inner()))
    }

    async fn settle(
        &self,
        request: Request<SettleRequest>,
    ) -> Result<Response<SettleResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.settle(&caller, request.into_inner()).await)
    }

    async fn extend(
        &self,
        request: Request<ExtendRequest>,
    ) -> Result<Response<ExtendResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.extend(&caller, request.into_inner()).await)
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.cancel_job(&caller, request.into_inner()).await)
    }

    async fn wait_job(
        &self,
        request: Request<WaitJobRequest>,
    ) -> Result<Response<WaitJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.wait_job(&caller, request.into_inner()).await)
    }

    async fn wait_queue(
        &self,
        request: Request<WaitQueueRequest>,
    ) -> Result<Response<WaitQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.wait_queue(&caller, request.into_inner()).await)
    }
}

#[tonic::async_trait]
impl AdminService for Api {
    async fn create_queue(
        &self,
        request: Request<CreateQueueRequest>,
    ) -> Result<Response<CreateQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.create_queue(&caller, request.into_inner()).await)
    }

    async fn get_queue(
        &self,
        request: Request<GetQueueRequest>,
    ) -> Result<Response<GetQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.get_queue(&caller, request.into_inner()).await)
    }

    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.list_queues(&caller, request.into_inner()).await)
    }

    async fn update_queue(
        &self,
        request: Request<UpdateQueueRequest>,
    ) -> Result<Response<UpdateQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.update_queue(&caller, request.into_inner()).await)
    }

    async fn delete_queue(
        &self,
        request: Request<DeleteQueueRequest>,
    ) -> Result<Response<DeleteQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.delete_queue(&caller, request.into_inner()).await)
    }

    async fn pause_queue(
        &self,
        request: Request<PauseQueueRequest>,
    ) -> Result<Response<PauseQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.pause_queue(&caller, request.into_inner()).await)
    }

    async fn resume_queue(
        &self,
        request: Request<ResumeQueueRequest>,
    ) -> Result<Response<ResumeQueueResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.resume_queue(&caller, request.into_inner()).await)
    }

    async fn get_job(
        &self,
        request: Request<GetJobRequest>,
    ) -> Result<Response<GetJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.get_job(&caller, request.into_inner()).await)
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.list_jobs(&caller, request.into_inner()).await)
    }

    async fn purge_jobs(
        &self,
        request: Request<PurgeJobsRequest>,
    ) -> Result<Response<PurgeJobsResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.purge_jobs(&caller, request.into_inner()).await)
    }

    async fn redrive_jobs(
        &self,
        request: Request<RedriveJobsRequest>,
    ) -> Result<Response<RedriveJobsResponse>, Status> {
        let caller = Caller::of(&request)?;
        respond(self.redrive_jobs(&caller, request.into_inner()).await)
    }

    async fn get_server_info(
        &self,
        _: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        respond(Ok(self.server_info()))
    }
}
