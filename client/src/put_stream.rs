//! Many Puts in flight on one stream, each a job for good or not at all.
//!
//! A Put is kept until it is answered. When the connection breaks, those without an answer go out
//! again on a new stream, in their order and with the same request ids, so that the server adds
//! nothing twice.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use leaseq_proto::v1 as proto;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;

use crate::client::Client;
use crate::codec::SharedCodec;
use crate::error::{self, Error, Result};
use crate::incoming::Incoming;
use crate::job::NewJob;
use crate::job_id::JobId;
use crate::put::{PutAnswer, WAIT_MAX, only_id, put_request};
use crate::retry::Retry;
use crate::wire;

const PATH: &str = "/leaseq.v1.QueueService/PutStream";
const CLOSED: Error = Error::Closed { what: "put stream" };
/// Puts without an answer unless the caller says otherwise.
const IN_FLIGHT_DEFAULT: usize = 64;

type Shared = Arc<proto::PutStreamRequest>;

impl Client {
    /// Opens a stream for Puts, with up to 64 of them in flight.
    pub fn put_stream(&self) -> PutStream {
        self.put_stream_with(IN_FLIGHT_DEFAULT)
    }

    /// Opens a stream for Puts, with up to `in_flight` of them without an answer.
    pub fn put_stream_with(&self, in_flight: usize) -> PutStream {
        PutStream::new(self.clone(), in_flight.clamp(1, 10_000))
    }
}

/// A stream of Puts. It may be used from several tasks at once; answers come in the order of the
/// Puts. Dropping it lets the Puts in flight finish.
///
/// ```no_run
/// # async fn example(client: leaseq_client::Client) -> leaseq_client::Result<()> {
/// let puts = client.put_stream();
/// for n in 0..100_000 {
///     puts.put("numbers", n.to_string()).await?; // waits only when too many are in flight
/// }
/// puts.finish().await?; // all of them are durable, or this is the first error
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PutStream {
    core: Arc<Core>,
    room: Arc<Semaphore>,
    in_flight: usize,
    wait: Option<Duration>,
}

#[derive(Debug)]
struct Core {
    client: Client,
    state: Mutex<State>,
    /// There is something to do after there was nothing, or nothing will come any more.
    wake: Notify,
    in_flight: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The Puts without an answer, in their order.
    pending: VecDeque<Pending>,
    /// Where new Puts go; `None`: no stream stands, they go out with the next one.
    outbox: Option<mpsc::Sender<Shared>>,
    /// Nothing more is put.
    closed: bool,
    /// Why no stream comes about any more.
    broken: Option<Error>,
    /// The first Put that was refused and whose answer nobody waited for.
    refused: Option<Error>,
}

#[derive(Debug)]
struct Pending {
    request: Shared,
    answer: oneshot::Sender<Result<PutAnswer>>,
    _room: OwnedSemaphorePermit,
}

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// There are Puts without an answer.
    Pending,
    /// There are none.
    Idle,
    /// There are none, and none will come.
    Over,
}

impl PutStream {
    fn new(client: Client, in_flight: usize) -> Self {
        let core = Arc::new(Core {
            client,
            state: Mutex::default(),
            wake: Notify::new(),
            in_flight,
        });
        tokio::spawn(run(Arc::clone(&core)));
        Self {
            core,
            room: Arc::new(Semaphore::new(in_flight)),
            in_flight,
            wait: None,
        }
    }

    /// How long each Put waits for room when its queue is full, at most 10 minutes; those behind
    /// it wait too. Default: not at all.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait.min(WAIT_MAX));
        self
    }

    /// Sends a Put of one job as soon as there is room, and returns what its answer will come
    /// with. The answer need not be awaited: [`finish`](Self::finish) tells the first error.
    pub async fn put(
        &self,
        queue: impl Into<String>,
        job: impl Into<NewJob>,
    ) -> Result<PutOneTicket> {
        self.put_batch(queue, vec![job.into()])
            .await
            .map(PutOneTicket)
    }

    /// Sends a Put of many jobs, all or none, as soon as there is room.
    pub async fn put_batch(
        &self,
        queue: impl Into<String>,
        jobs: Vec<NewJob>,
    ) -> Result<PutTicket> {
        let mut put = put_request(queue.into(), jobs);
        put.wait = self.wait.map(wire::duration);
        self.send(put).await
    }

    async fn send(&self, put: proto::PutRequest) -> Result<PutTicket> {
        let room = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .map_err(|_| CLOSED)?;
        let request = Arc::new(proto::PutStreamRequest { put: Some(put) });
        let (answer, ticket) = oneshot::channel();
        let mut state = self.core.state();
        if let Some(error) = &state.broken {
            return Err(error.clone());
        }
        if let Some(outbox) = &state.outbox {
            // There is room for all that may be in flight. A closed one is a stream that broke:
            // the request is sent with the next.
            let _ = outbox.try_send(Arc::clone(&request));
        }
        let was_idle = state.pending.is_empty();
        state.pending.push_back(Pending {
            request,
            answer,
            _room: room,
        });
        drop(state);
        if was_idle {
            self.core.wake.notify_one();
        }
        Ok(PutTicket {
            answer: ticket,
            core: Arc::clone(&self.core),
        })
    }

    /// Waits for all answers and closes the stream. An error if any Put whose answer was not
    /// awaited was refused: the first one.
    pub async fn finish(self) -> Result<()> {
        let all = u32::try_from(self.in_flight).unwrap_or(u32::MAX);
        let _all = self.room.acquire_many(all).await.map_err(|_| CLOSED)?;
        match self.core.state().refused.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for PutStream {
    fn drop(&mut self) {
        self.core.state().closed = true;
        self.core.wake.notify_one();
    }
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) -> Work {
        let state = self.state();
        match (state.pending.is_empty(), state.closed) {
            (false, _) => Work::Pending,
            (true, false) => Work::Idle,
            (true, true) => Work::Over,
        }
    }

    /// A new stream on which all Puts without an answer are sent first.
    fn open(&self) -> Incoming<proto::PutStreamResponse> {
        let (outbox, requests) = mpsc::channel(self.in_flight);
        let mut state = self.state();
        for pending in &state.pending {
            let _ = outbox.try_send(Arc::clone(&pending.request));
        }
        state.outbox = Some(outbox);
        drop(state);
        let request = self.client.request(ReceiverStream::new(requests));
        let channel = self.client.inner.channel.clone();
        Incoming::new(async move {
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready()
                .await
                .map_err(|error| tonic::Status::from_error(error.into()))?;
            grpc.streaming(request, PathAndQuery::from_static(PATH), SharedCodec::new())
                .await
        })
    }

    /// Hands an answer to the oldest Put. A server that is going away has not done it: the Put
    /// stays, and the stream counts as broken.
    fn answer(&self, response: proto::PutStreamResponse) -> Result<()> {
        let result = error::from_item(response.status);
        if let Err(error @ Error::Unavailable { .. }) = result {
            return Err(error);
        }
        let result = result.map(|()| PutAnswer::new(&response.job_ids, response.deduplicated));
        let mut state = self.state();
        let Some(pending) = state.pending.pop_front() else {
            return Err(Error::Internal {
                message: "an answer to no Put".to_owned(),
            });
        };
        state.deliver(pending, result);
        Ok(())
    }

    /// No stream comes about any more: everyone who waits is told.
    fn give_up(&self, error: &Error) {
        let mut state = self.state();
        state.broken = Some(error.clone());
        state.outbox = None;
        while let Some(pending) = state.pending.pop_front() {
            state.deliver(pending, Err(error.clone()));
        }
    }
}

impl State {
    fn deliver(&mut self, pending: Pending, result: Result<PutAnswer>) {
        if let Err(Err(error)) = pending.answer.send(result) {
            self.refused.get_or_insert(error);
        }
    }
}

/// Keeps a stream open while there are Puts without an answer.
async fn run(core: Arc<Core>) {
    let mut retry = core.client.retry();
    loop {
        match core.work() {
            Work::Over => return,
            Work::Idle => core.wake.notified().await,
            Work::Pending => {
                retry.begin();
                let error = serve(&core, &mut retry).await;
                core.state().outbox = None;
                // A stream that breaks while nothing is in flight is opened when it is needed.
                let Some(error) = error.filter(|_| core.work() == Work::Pending) else {
                    continue;
                };
                if let Err(error) = retry.pause(error).await {
                    return core.give_up(&error);
                }
            }
        }
    }
}

/// One stream, until it breaks (why) or nothing is left to do on it (`None`).
async fn serve(core: &Core, retry: &mut Retry) -> Option<Error> {
    let mut incoming = core.open();
    while core.work() != Work::Over {
        let answer = tokio::select! {
            biased;
            answer = incoming.next() => answer,
            () = core.wake.notified() => continue,
        };
        match answer {
            Ok(Some(response)) => {
                retry.answered();
                if let Err(error) = core.answer(response) {
                    return Some(error);
                }
            }
            Ok(None) => return Some(ended()),
            Err(status) => return Some(core.client.error(&status)),
        }
    }
    None
}

fn ended() -> Error {
    Error::Unavailable {
        retry_after: None,
        message: "the server ended the stream".to_owned(),
    }
}

/// What the answer to a Put of many jobs on a stream comes with.
#[derive(Debug)]
pub struct PutTicket {
    answer: oneshot::Receiver<Result<PutAnswer>>,
    core: Arc<Core>,
}

impl Future for PutTicket {
    type Output = Result<PutAnswer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(CLOSED)))
    }
}

impl Drop for PutTicket {
    fn drop(&mut self) {
        // An answer that came before the ticket was dropped, and that nobody has seen.
        self.answer.close();
        if let Ok(Err(error)) = self.answer.try_recv() {
            self.core.state().refused.get_or_insert(error);
        }
    }
}

/// What the answer to a Put of one job on a stream comes with.
#[derive(Debug)]
pub struct PutOneTicket(PutTicket);

impl Future for PutOneTicket {
    type Output = Result<JobId>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.and_then(only_id))
    }
}
