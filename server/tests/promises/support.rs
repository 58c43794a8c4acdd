//! A real server, and short words for what tests say to it.

use std::time::Duration;

use bytes::Bytes;
use leaseq_proto::v1::admin_service_client::AdminServiceClient;
use leaseq_proto::v1::lease_request::Request as Say;
use leaseq_proto::v1::lease_response::Response as Hear;
use leaseq_proto::v1::queue_service_client::QueueServiceClient;
use leaseq_proto::v1::settlement::Verdict;
use leaseq_proto::v1::{
    Complete, Deliver, Fail, GetRequest, ItemStatus, LeaseRequest, LeaseResponse, LeasedJob,
    NewJob, Open, Opened, PutRequest, Reject, Release, SettleRequest, Settlement,
};
use leaseq_server::config::Config;
use leaseq_server::{RunningServer, Server};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status, Streaming};
use tonic_types::StatusExt;

pub(crate) type Queue = QueueServiceClient<Channel>;
pub(crate) type Admin = AdminServiceClient<Channel>;

/// A wait that a test never sits out: what it waits for comes, or the test fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A server with a journal of its own.
pub(crate) struct Harness {
    pub(crate) config: Config,
    pub(crate) server: Option<RunningServer>,
    pub(crate) channel: Channel,
    _data: TempDir,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose configuration `change` has had a look at.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: None,
            data: data.path().join("data"),
            ..Config::default()
        };
        change(&mut config);
        let (server, channel) = start(&config).await;
        Self {
            config,
            server: Some(server),
            channel,
            _data: data,
        }
    }

    /// Stops the server in order and starts another on the same data.
    pub(crate) async fn restart(&mut self) {
        self.take_server().shutdown(Duration::ZERO).await.unwrap();
        let (server, channel) = start(&self.config).await;
        (self.server, self.channel) = (Some(server), channel);
    }

    pub(crate) fn server(&self) -> &RunningServer {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn take_server(&mut self) -> RunningServer {
        self.server.take().unwrap()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A client with a connection of its own.
    pub(crate) async fn other(&self) -> Queue {
        QueueServiceClient::new(connect(self.server()).await)
    }

    pub(crate) fn queue(&self) -> Queue {
        QueueServiceClient::new(self.channel())
    }

    pub(crate) fn admin(&self) -> Admin {
        AdminServiceClient::new(self.channel())
    }
}

pub(crate) async fn start(config: &Config) -> (RunningServer, Channel) {
    let server = Server::new(config.clone()).start().await.unwrap();
    server.ready().await.unwrap();
    let channel = connect(&server).await;
    (server, channel)
}

async fn connect(server: &RunningServer) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc_addr())).unwrap();
    endpoint.connect().await.unwrap()
}

pub(crate) fn wire(duration: Duration) -> Option<prost_types::Duration> {
    Some(duration.try_into().unwrap())
}

pub(crate) fn millis(millis: u64) -> Option<prost_types::Duration> {
    wire(Duration::from_millis(millis))
}

/// A job with this payload and every default.
pub(crate) fn job(payload: impl AsRef<str>) -> NewJob {
    NewJob::new(payload.as_ref().to_owned())
}

pub(crate) fn put_of(queue: &str, jobs: impl IntoIterator<Item = NewJob>) -> PutRequest {
    PutRequest {
        queue: queue.to_owned(),
        jobs: jobs.into_iter().collect(),
        ..PutRequest::default()
    }
}

/// Puts jobs and gives their ids.
pub(crate) async fn put(
    client: &mut Queue,
    queue: &str,
    jobs: impl IntoIterator<Item = NewJob>,
) -> Vec<String> {
    let answer = client.put(put_of(queue, jobs)).await.unwrap();
    let ids = answer.into_inner().job_ids;
    ids.iter().map(str::to_owned).collect()
}

pub(crate) fn get_of(queue: &str, max_jobs: u32) -> GetRequest {
    GetRequest {
        queue: queue.to_owned(),
        max_jobs,
        ..GetRequest::default()
    }
}

/// Gets what is ready now.
pub(crate) async fn get(client: &mut Queue, queue: &str, max_jobs: u32) -> Vec<LeasedJob> {
    let answer = client.get(get_of(queue, max_jobs)).await.unwrap();
    answer.into_inner().leased_jobs().expect("jobs")
}

/// Gets the next job, waiting for it.
pub(crate) async fn next(client: &mut Queue, queue: &str) -> LeasedJob {
    let request = GetRequest {
        wait: wire(LONG),
        ..get_of(queue, 1)
    };
    let mut jobs = client
        .get(request)
        .await
        .unwrap()
        .into_inner()
        .leased_jobs()
        .expect("jobs");
    jobs.pop().expect("a job in time")
}

/// The payloads of jobs that carry text.
pub(crate) fn texts(jobs: &[LeasedJob]) -> Vec<&str> {
    jobs.iter()
        .map(|job| std::str::from_utf8(&job.payload).unwrap())
        .collect()
}

pub(crate) fn complete(result: &'static str) -> Verdict {
    Verdict::Complete(Complete {
        result: Bytes::from_static(result.as_bytes()),
    })
}

pub(crate) fn fail(error: &str) -> Verdict {
    Verdict::Fail(Fail {
        error: error.to_owned(),
        retry_delay: millis(0),
    })
}

pub(crate) fn reject(error: &str) -> Verdict {
    Verdict::Reject(Reject {
        error: error.to_owned(),
    })
}

pub(crate) fn release() -> Verdict {
    Verdict::Release(Release { delay: None })
}

pub(crate) fn verdicts(entries: impl IntoIterator<Item = (Bytes, Verdict)>) -> SettleRequest {
    let settlement = |(lease_token, verdict)| Settlement {
        lease_token,
        verdict: Some(verdict),
    };
    SettleRequest {
        settlements: entries.into_iter().map(settlement).collect(),
    }
}

/// Settles and gives the reason of each entry; empty for OK.
pub(crate) async fn settle(
    client: &mut Queue,
    entries: impl IntoIterator<Item = (Bytes, Verdict)>,
) -> Vec<String> {
    let answer = client.settle(verdicts(entries)).await.unwrap();
    reasons(&answer.into_inner().results)
}

fn reasons(statuses: &[ItemStatus]) -> Vec<String> {
    let reasons = statuses.iter().map(ItemStatus::reason);
    reasons.map(str::to_owned).collect()
}

/// Settles one lease, which is expected to be good.
pub(crate) async fn settle_one(client: &mut Queue, job: &LeasedJob, verdict: Verdict) {
    let reasons = settle(client, [(job.lease_token.clone(), verdict)]).await;
    assert_eq!(reasons, [""]);
}

/// What a program reads of a status.
#[track_caller]
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "leaseq");
    assert!(!status.message().is_empty());
    (status.code(), info.reason)
}

/// The field that a status names.
pub(crate) fn field(status: &Status) -> String {
    let violations = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations);
    let first = violations.and_then(|violations| violations.into_iter().next());
    first.map(|violation| violation.field).unwrap_or_default()
}

/// A call was refused with INVALID_ARGUMENT, this reason and this field.
#[track_caller]
pub(crate) fn refused_field<T>(answer: Result<Response<T>, Status>, reason: &str, named: &str) {
    let status = answer
        .err()
        .unwrap_or_else(|| panic!("{named} was not refused"));
    assert_eq!(
        refusal(&status),
        (Code::InvalidArgument, reason.to_owned()),
        "{status}"
    );
    assert_eq!(field(&status), named, "{status}");
    assert!(status.message().starts_with(named), "{status}");
}

/// The reason of most of them.
pub(crate) const BAD: &str = "INVALID_FIELD";

/// A duration that nothing may last.
pub(crate) fn negative() -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: -1,
        nanos: 0,
    })
}

/// How many queues there are.
pub(crate) async fn queue_count(harness: &Harness) -> usize {
    let answer = harness
        .admin()
        .list_queues(leaseq_proto::v1::ListQueuesRequest::default())
        .await;
    answer.unwrap().into_inner().queues.len()
}

/// A worker's session.
pub(crate) struct Session {
    say: Option<mpsc::Sender<LeaseRequest>>,
    hear: Streaming<LeaseResponse>,
}

impl Session {
    /// A stream on which nothing has been said yet.
    pub(crate) async fn silent(client: &mut Queue) -> Self {
        let (say, requests) = mpsc::channel(64);
        let answer = client.lease(ReceiverStream::new(requests)).await.unwrap();
        Self {
            say: Some(say),
            hear: answer.into_inner(),
        }
    }

    pub(crate) async fn open(client: &mut Queue, open: Open) -> (Self, Opened) {
        let mut session = Self::silent(client).await;
        session.say(Say::Open(open)).await;
        match session.hear().await {
            Hear::Opened(opened) => (session, opened),
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) async fn say(&self, request: Say) {
        let request = Some(request);
        let say = self.say.as_ref().expect("not hung up");
        say.send(LeaseRequest { request }).await.unwrap();
    }

    pub(crate) async fn say_nothing(&self) {
        let say = self.say.as_ref().expect("not hung up");
        say.send(LeaseRequest { request: None }).await.unwrap();
    }

    /// Ends the worker's half of the stream.
    pub(crate) fn hang_up(&mut self) {
        self.say = None;
    }

    pub(crate) async fn heard(&mut self) -> Result<Option<Hear>, Status> {
        let heard = tokio::time::timeout(LONG, self.hear.message()).await;
        let message = heard.expect("something is heard in time")?;
        Ok(message.map(|message| message.response.expect("a response")))
    }

    pub(crate) async fn hear(&mut self) -> Hear {
        let heard = self.heard().await.expect("the stream goes on");
        heard.expect("the stream has not ended")
    }

    pub(crate) async fn delivered(&mut self) -> Deliver {
        match self.hear().await {
            Hear::Deliver(deliver) => deliver,
            other => panic!("not a delivery: {other:?}"),
        }
    }

    /// Hears deliveries until there are `count` jobs.
    pub(crate) async fn jobs(&mut self, count: usize) -> Vec<LeasedJob> {
        let mut jobs = Vec::new();
        while jobs.len() < count {
            jobs.extend(self.delivered().await.leased_jobs().expect("jobs"));
        }
        jobs
    }

    /// Settles and gives the reason of each entry. Nothing else may be heard before.
    pub(crate) async fn settle(
        &mut self,
        entries: impl IntoIterator<Item = (Bytes, Verdict)>,
    ) -> Vec<String> {
        self.say(Say::Settle(verdicts(entries))).await;
        match self.hear().await {
            Hear::Settled(settled) => reasons(&settled.results),
            other => panic!("not settled: {other:?}"),
        }
    }

    /// Waits until the server has dealt with everything said so far. Deliveries that are heard
    /// meanwhile are given back.
    pub(crate) async fn catch_up(&mut self) -> Vec<LeasedJob> {
        self.say(Say::Heartbeat(leaseq_proto::v1::Heartbeat {}))
            .await;
        let mut jobs = Vec::new();
        loop {
            match self.hear().await {
                Hear::Heartbeat(_) => return jobs,
                Hear::Deliver(deliver) => jobs.extend(deliver.leased_jobs().expect("jobs")),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// The status that the stream ends with.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            match self.heard().await {
                Err(status) => return status,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended well"),
            }
        }
    }
}

/// How a session is opened, with `max_jobs`.
pub(crate) fn open(queues: &[&str], max_jobs: u32) -> Open {
    Open {
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        flow: Some(leaseq_proto::v1::Flow {
            max_jobs,
            max_bytes: 0,
        }),
        ..Open::default()
    }
}
