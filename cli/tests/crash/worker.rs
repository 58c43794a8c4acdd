//! A worker: one lease session after the other. When the server dies it comes back with the leases
//! it holds and sends every verdict again that was not answered. Sometimes it dies itself and
//! forgets everything.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use leaseq_proto::v1::lease_request::Request;
use leaseq_proto::v1::lease_response::Response;
use leaseq_proto::v1::settlement::Verdict;
use leaseq_proto::v1::{
    Complete, Deliver, Fail, Flow, ItemStatus, LeaseRequest, Open, Release, SettleRequest,
    Settlement,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::ledger::Violation;
use crate::load::{Client, Dice, Load, Phase, QUEUE, UNAVAILABLE, read_payload};
use crate::master::job_id;

/// Entries in one Settle at most: the server's limit.
const SETTLE_MAX: usize = 1_000;
/// One delivery in this many ends the worker.
const DEATH_ODDS: u64 = 300;
/// One job in this many fails, and one is released.
const FAIL_ODDS: u64 = 500;
/// How long leases outlive the stream, and the silence of a worker: longer than any restart here
/// takes, and short enough that the jobs of a worker that has died come back within the test.
const LEASE_SECONDS: i64 = 15;

/// A job that this worker has, with what it decided.
struct Held {
    job: u64,
    fencing: u64,
    verdict: Verdict,
}

type HeldJobs = HashMap<Bytes, Held>;

/// Why a session ended.
enum Ended {
    /// The stream broke: come back with what is held.
    Broken,
    /// The worker dies: what it held is forgotten.
    Died,
}

/// Works until it is told to stop.
pub(crate) async fn run(load: Arc<Load>, mut dice: Dice) {
    let mut held = HeldJobs::new();
    while let Some(client) = load.connect().await {
        if let Ended::Died = session(&load, client, &mut held, &mut dice).await {
            forget(&load, &mut held);
        }
    }
}

/// The worker is gone: what it completed without an answer may be completed or not.
fn forget(load: &Load, held: &mut HeldJobs) {
    load.jobs_held
        .fetch_sub(held.len() as i64, Ordering::Relaxed);
    let mut ledger = load.ledger();
    for (_, held) in held.drain() {
        if let Verdict::Complete(_) = held.verdict {
            ledger.completion_unclear(held.job);
        }
    }
}

async fn session(load: &Load, mut client: Client, held: &mut HeldJobs, dice: &mut Dice) -> Ended {
    let (requests, stream) = mpsc::channel(64);
    let mut session = Session {
        load,
        requests,
        unanswered: VecDeque::new(),
    };
    if session.open(held).await.is_none() {
        return Ended::Broken;
    }
    let Ok(responses) = client.lease(ReceiverStream::new(stream)).await else {
        return Ended::Broken;
    };
    let mut responses = responses.into_inner();
    // Dying is for the load; the end of a test is to be clean.
    while !load.is(Phase::Stop) {
        let Ok(Some(response)) = responses.message().await else {
            return Ended::Broken;
        };
        let went_well = match response.response {
            Some(Response::Opened(_)) => session.settle_again(held).await,
            Some(Response::Deliver(_)) if load.is(Phase::Load) && dice.once_in(DEATH_ODDS) => {
                return Ended::Died;
            }
            Some(Response::Deliver(deliver)) => session.work(deliver, held, dice).await,
            Some(Response::Settled(settled)) => session.settled(&settled.results, held),
            _ => Some(()),
        };
        if went_well.is_none() {
            return Ended::Broken;
        }
    }
    Ended::Broken
}

/// The sending half of a session. Its methods give `None` when the stream has broken.
struct Session<'a> {
    load: &'a Load,
    requests: mpsc::Sender<LeaseRequest>,
    /// The tokens of each Settle that was sent and not answered.
    unanswered: VecDeque<Vec<Bytes>>,
}

impl Session<'_> {
    async fn send(&self, request: Request) -> Option<()> {
        let request = LeaseRequest {
            request: Some(request),
        };
        self.requests.send(request).await.ok()
    }

    async fn open(&self, held: &HeldJobs) -> Option<()> {
        let lease = prost_types::Duration {
            seconds: LEASE_SECONDS,
            nanos: 0,
        };
        let open = Open {
            queues: vec![QUEUE.into()],
            worker: "crash".into(),
            flow: Some(Flow {
                max_jobs: u32::try_from(8 * self.load.shape.batch).expect("a small number"),
                max_bytes: 0,
            }),
            lease_duration: Some(lease),
            grace: Some(lease),
            held_tokens: held.keys().cloned().collect(),
        };
        self.send(Request::Open(open)).await
    }

    async fn settle(&mut self, held: &HeldJobs, tokens: &[Bytes]) -> Option<()> {
        for tokens in tokens.chunks(SETTLE_MAX) {
            let settlements = tokens.iter().map(|token| Settlement {
                lease_token: token.clone(),
                verdict: held.get(token).map(|held| held.verdict.clone()),
            });
            let settle = SettleRequest {
                settlements: settlements.collect(),
            };
            self.unanswered.push_back(tokens.to_vec());
            self.send(Request::Settle(settle)).await?;
        }
        Some(())
    }

    /// Every verdict that the stream before took with it.
    async fn settle_again(&mut self, held: &HeldJobs) -> Option<()> {
        let tokens: Vec<Bytes> = held.keys().cloned().collect();
        self.settle(held, &tokens).await
    }

    async fn work(&mut self, deliver: Deliver, held: &mut HeldJobs, dice: &mut Dice) -> Option<()> {
        let mut tokens = Vec::with_capacity(deliver.jobs.len());
        {
            let mut ledger = self.load.ledger();
            for leased in deliver.leased_jobs().expect("jobs") {
                let (job, right) = read_payload(&leased.payload, self.load.shape.payload);
                ledger.delivered(job, job_id(&leased.id), leased.fencing_number, right);
                tokens.push(leased.lease_token.clone());
                let new = Held {
                    job,
                    fencing: leased.fencing_number,
                    verdict: decide(self.load, dice),
                };
                held.insert(leased.lease_token, new);
            }
        }
        let count = tokens.len() as i64;
        self.load.jobs_held.fetch_add(count, Ordering::Relaxed);
        self.settle(held, &tokens).await
    }

    fn settled(&mut self, statuses: &[ItemStatus], held: &mut HeldJobs) -> Option<()> {
        if statuses.iter().any(|status| status.code == UNAVAILABLE) {
            return None; // whatever was not done is sent again on the next stream
        }
        let tokens = self.unanswered.pop_front().unwrap_or_default();
        let mut ledger = self.load.ledger();
        if tokens.len() != statuses.len() {
            let what = format!("{} verdicts got {} statuses", tokens.len(), statuses.len());
            ledger.violated(Violation::Refused { what });
        }
        for (token, status) in tokens.iter().zip(statuses) {
            let Some(held) = held.remove(token) else {
                continue;
            };
            self.load.jobs_held.fetch_sub(1, Ordering::Relaxed);
            match (held.verdict, status.code, status.reason()) {
                (Verdict::Complete(_), 0, _) => ledger.completed(held.job, held.fencing),
                (_, 0, _) => (),
                // A repeated verdict is OK, and the grace is longer than any restart: nothing
                // else may come.
                (_, _, reason) => {
                    let what = format!("a verdict was refused: {reason} {}", status.message());
                    ledger.violated(Violation::Refused { what });
                }
            }
        }
        Some(())
    }
}

/// Nearly always complete; while the load is on, now and then fail or release.
fn decide(load: &Load, dice: &mut Dice) -> Verdict {
    if load.is(Phase::Load) && dice.once_in(FAIL_ODDS) {
        return Verdict::Fail(Fail {
            error: "thrown dice".into(),
            retry_delay: Some(prost_types::Duration {
                seconds: 0,
                nanos: 10_000_000,
            }),
        });
    }
    if load.is(Phase::Load) && dice.once_in(FAIL_ODDS) {
        return Verdict::Release(Release { delay: None });
    }
    Verdict::Complete(Complete::default())
}
