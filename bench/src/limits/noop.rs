//! The API without a queue behind it: tonic, the same messages, and a list in memory. Nothing is
//! decided, remembered or synced, so this is the most that gRPC leaves room for.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use leaseq_proto::v1::queue_service_server::{QueueService, QueueServiceServer};
use leaseq_proto::v1::*;
use leaseq_server::config::Config;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::Service;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::ready::Ready;
use super::{noop_admin, noop_session};
use crate::failure::Result;

/// As in the server's listener.
const FRAME_BYTES_MAX: u32 = 128 << 10;

/// Serves until the process is ended.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let ready = Arc::new(Ready::new());
    let routes = Routes::new(QueueServiceServer::new(Noop {
        ready: Arc::clone(&ready),
    }));
    let routes = routes.add_service(noop_admin::service(ready)).prepare();
    let http2 = http2_of(&Config::default());
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let routes = routes.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            routes.clone().call(request.map(tonic::body::Body::new))
        });
        // A connection that breaks is the bench's end, and no news.
        tokio::spawn(http2.serve_connection(TokioIo::new(stream), service));
    }
}

/// The settings that the server has for its connections.
fn http2_of(config: &Config) -> http2::Builder<TokioExecutor> {
    let (limits, transport) = (&config.limits, &config.http2);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(limits.header_bytes_max)
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_stream_window_size(transport.stream_window)
        .initial_connection_window_size(transport.connection_window)
        .max_send_buf_size(transport.send_buffer_bytes)
        .keep_alive_interval(transport.keepalive_interval)
        .keep_alive_timeout(transport.keepalive_timeout);
    builder
}

struct Noop {
    ready: Arc<Ready>,
}

type Answer<T> = std::result::Result<Response<T>, Status>;
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

/// What the bench does not ask for.
pub(super) fn not_here<T>() -> std::result::Result<T, Status> {
    Err(Status::unimplemented(
        "the service that does nothing does not do this either",
    ))
}

#[tonic::async_trait]
impl QueueService for Noop {
    type PutStreamStream = Answers<PutStreamResponse>;
    type LeaseStream = Answers<LeaseResponse>;

    async fn put(&self, request: Request<PutRequest>) -> Answer<PutResponse> {
        let job_ids = self.ready.put(request.into_inner().jobs);
        Ok(Response::new(PutResponse {
            job_ids,
            deduplicated: false,
        }))
    }

    async fn put_stream(
        &self,
        requests: Request<Streaming<PutStreamRequest>>,
    ) -> Answer<Self::PutStreamStream> {
        let ready = Arc::clone(&self.ready);
        let answers = requests.into_inner().map(move |request| {
            let put = request?.put.unwrap_or_default();
            Ok(PutStreamResponse {
                job_ids: ready.put(put.jobs),
                deduplicated: false,
                status: None,
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let request = request.into_inner();
        let wait = request.wait.unwrap_or_default();
        let wait = Duration::try_from(wait).unwrap_or_default();
        let most = request.max_jobs.max(1) as usize;
        let taken = tokio::time::timeout(wait, self.ready.take_waiting(most)).await;
        Ok(Response::new(GetResponse {
            jobs: taken.unwrap_or_default(),
            expire_time: None,
        }))
    }

    async fn lease(&self, requests: Request<Streaming<LeaseRequest>>) -> Answer<Self::LeaseStream> {
        let answers = noop_session::run(requests.into_inner(), Arc::clone(&self.ready));
        Ok(Response::new(answers))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Answer<SettleResponse> {
        let settled = noop_session::settled(&request.into_inner());
        Ok(Response::new(settled))
    }

    async fn extend(&self, _: Request<ExtendRequest>) -> Answer<ExtendResponse> {
        not_here()
    }

    async fn cancel_job(&self, _: Request<CancelJobRequest>) -> Answer<CancelJobResponse> {
        not_here()
    }

    async fn wait_job(&self, _: Request<WaitJobRequest>) -> Answer<WaitJobResponse> {
        not_here()
    }

    async fn wait_queue(&self, _: Request<WaitQueueRequest>) -> Answer<WaitQueueResponse> {
        not_here()
    }
}
