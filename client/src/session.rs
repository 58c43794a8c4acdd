//! The lease session as it is on the wire: one stream, nothing kept, nothing repeated.
//!
//! [`Worker`](crate::Worker) is what most programs want. This is for those that handle whole
//! batches and cannot afford anything per job.

use std::time::{Duration, SystemTime};

use leaseq_proto::v1 as proto;
use proto::lease_request::Request;
use proto::lease_response::Response;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::calls::{Extension, extend_request};
use crate::client::Client;
use crate::error::{self, Error, Result};
use crate::incoming::Incoming;
use crate::leased::{LeaseToken, LeasedJob, Settlement, batches};
use crate::opening::Flow;
use crate::wire;

/// Until the server has said how often it wants to hear from us.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(10);
/// A server that said nothing for this many heartbeats is gone.
const SILENT_HEARTBEATS_MAX: u32 = 4;

/// How long a server may take to end a session that this side has ended.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

const CLOSED: Error = Error::Closed { what: "session" };

/// Jobs of one queue, with the right to run them.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// The queue.
    pub queue: String,
    /// The jobs.
    pub jobs: Vec<LeasedJob>,
    /// When the leases end if nothing more is heard from the session.
    pub expire_time: Option<SystemTime>,
}

/// What the server says in a session.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionEvent {
    /// Jobs to run.
    Delivered(Delivery),
    /// The statuses of one request with settlements, in the order the requests were sent.
    Settled(Vec<Result<()>>),
    /// The results of one request with extensions, in the order the requests were sent.
    Extended(Vec<Result<Extension>>),
    /// Cancellation was asked for these leases: stop if you can. `complete` still counts.
    CancelRequested(Vec<LeaseToken>),
    /// The server is about to end the session: nothing more is delivered, what is held may be
    /// settled until the stream ends.
    Draining {
        /// Why, for people.
        reason: String,
    },
}

/// A worker's stream: the server delivers jobs as the flow limits allow, and one sign of life
/// keeps all the leases.
///
/// [`next`](Self::next) gives the signs of life, so call it again soon after it has returned: a
/// program that is stuck loses its leases, as it should.
#[derive(Debug)]
pub struct Session {
    client: Client,
    outbox: mpsc::Sender<proto::LeaseRequest>,
    incoming: Incoming<proto::LeaseResponse>,
    opened: proto::Opened,
    heartbeats: Interval,
    /// Whether anything was sent since the last tick: a message is as good as a heartbeat.
    spoke: bool,
    /// Ticks since the server last said anything.
    silent_ticks: u32,
}

impl Session {
    pub(crate) fn new(
        client: Client,
        outbox: mpsc::Sender<proto::LeaseRequest>,
        incoming: Incoming<proto::LeaseResponse>,
        opened: proto::Opened,
    ) -> Self {
        let interval = wire::from_duration(opened.heartbeat_interval);
        let interval = interval.filter(|interval| !interval.is_zero());
        // Half of what is asked: something sent right after one tick is enough until the next.
        let tick = interval
            .unwrap_or(HEARTBEAT_DEFAULT)
            .max(Duration::from_millis(20))
            / 2;
        let mut heartbeats = tokio::time::interval_at(Instant::now() + tick, tick);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            client,
            outbox,
            incoming,
            opened,
            heartbeats,
            spoke: true,
            silent_ticks: 0,
        }
    }

    /// The session's id, for logs.
    pub fn id(&self) -> &str {
        &self.opened.session_id
    }

    /// Those of the held leases that are lost: stop working on them.
    pub fn lost_tokens(&self) -> impl Iterator<Item = LeaseToken> {
        self.opened.lost_tokens.iter().cloned().map(LeaseToken)
    }

    /// What the server says next, or `None` when it has ended the session without an error. Cancel
    /// safe.
    pub async fn next(&mut self) -> Result<Option<SessionEvent>> {
        loop {
            tokio::select! {
                biased;
                answer = self.incoming.next() => {
                    let answer = answer.map_err(|status| self.client.error(&status))?;
                    self.silent_ticks = 0;
                    let Some(answer) = answer else { return Ok(None) };
                    if let Some(event) = event(answer)? {
                        return Ok(Some(event));
                    }
                }
                _ = self.heartbeats.tick() => self.beat()?,
            }
        }
    }

    /// Sends verdicts; their statuses come as [`SessionEvent::Settled`]. More than 1000,
    /// or results of more than 2 MiB, go out as several requests, with an event for each.
    pub async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<()> {
        for settlements in batches(settlements) {
            self.send(Request::Settle(proto::SettleRequest { settlements }))
                .await?;
        }
        Ok(())
    }

    /// Moves the expiry of leases or says how far the work is; the results come as
    /// [`SessionEvent::Extended`]. At most 1000 tokens.
    pub async fn extend(
        &mut self,
        tokens: &[LeaseToken],
        duration: Option<Duration>,
        progress: &str,
    ) -> Result<()> {
        self.send(Request::Extend(extend_request(tokens, duration, progress)))
            .await
    }

    /// Sets new flow limits.
    pub async fn flow(&mut self, flow: Flow) -> Result<()> {
        self.send(Request::Flow(flow.into_proto())).await
    }

    /// Asks for nothing more to be delivered; what is held may finish.
    pub async fn drain(&mut self, reason: &str) -> Result<()> {
        self.send(Request::Drain(proto::Drain {
            reason: reason.to_owned(),
        }))
        .await
    }

    /// Ends the session, after the statuses of what was sent have come. Jobs that were on their way
    /// are given back, uncounted; other leases still held end after the grace.
    pub async fn close(self) {
        let Self {
            client,
            outbox,
            mut incoming,
            ..
        } = self;
        drop(outbox);
        let rest = async {
            let mut late = Vec::new();
            while let Ok(Some(answer)) = incoming.next().await {
                if let Ok(Some(SessionEvent::Delivered(delivery))) = event(answer) {
                    late.extend(delivery.jobs.iter().map(LeasedJob::release));
                }
            }
            // What cannot be given back comes back by itself, a little later.
            let _ = client.settle(late).await;
        };
        // A server that does not hang up is hung up on.
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, rest).await;
    }

    async fn send(&mut self, request: Request) -> Result<()> {
        let request = proto::LeaseRequest {
            request: Some(request),
        };
        self.outbox.send(request).await.map_err(|_| CLOSED)?;
        self.spoke = true;
        Ok(())
    }

    /// Resolves when a request can be sent without waiting. Borrows nothing, so that what comes can
    /// be taken meanwhile.
    pub(crate) fn room(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let outbox = self.outbox.clone();
        async move { outbox.reserve().await.map(drop).map_err(|_| CLOSED) }
    }

    /// Sends a request for which [`room`](Self::room) was found.
    pub(crate) fn send_now(&mut self, request: Request) -> Result<()> {
        let request = proto::LeaseRequest {
            request: Some(request),
        };
        self.outbox.try_send(request).map_err(|_| CLOSED)?;
        self.spoke = true;
        Ok(())
    }

    /// Half a heartbeat interval has passed.
    fn beat(&mut self) -> Result<()> {
        self.silent_ticks += 1;
        if self.silent_ticks > 2 * SILENT_HEARTBEATS_MAX {
            return Err(Error::Unreachable {
                addr: self.client.inner.addr.clone(),
                cause: format!("silent for {SILENT_HEARTBEATS_MAX} heartbeats"),
            });
        }
        // A full outbox has plenty to say; a closed one is told by the next answer.
        if !std::mem::take(&mut self.spoke) {
            let heartbeat = Some(Request::Heartbeat(proto::Heartbeat {}));
            let _ = self
                .outbox
                .try_send(proto::LeaseRequest { request: heartbeat });
        }
        Ok(())
    }
}

/// What an answer means to the caller; `None`: nothing.
fn event(answer: proto::LeaseResponse) -> Result<Option<SessionEvent>> {
    let Some(response) = answer.response else {
        return Ok(None);
    };
    Ok(Some(match response {
        Response::Deliver(deliver) => SessionEvent::Delivered(Delivery {
            queue: deliver.queue,
            jobs: LeasedJob::all(deliver.jobs)?,
            expire_time: wire::from_timestamp(deliver.expire_time),
        }),
        Response::Settled(settled) => SessionEvent::Settled(
            settled
                .results
                .into_iter()
                .map(|item| error::from_item(Some(item)))
                .collect(),
        ),
        Response::Extended(extended) => SessionEvent::Extended(
            extended
                .results
                .into_iter()
                .map(Extension::from_proto)
                .collect(),
        ),
        Response::Cancel(cancel) => {
            SessionEvent::CancelRequested(cancel.lease_tokens.into_iter().map(LeaseToken).collect())
        }
        Response::Drain(drain) => SessionEvent::Draining {
            reason: drain.reason,
        },
        Response::Opened(_) | Response::Heartbeat(_) => return Ok(None),
    }))
}
