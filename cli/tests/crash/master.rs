//! A master: many Puts in flight on one stream. What was not answered when the server died is sent
//! again with the same request id, so it must become one job each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leaseq_proto::v1::{JobOptions, NewJob, PutRequest, PutStreamRequest, PutStreamResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use crate::ledger::Violation;
use crate::load::{Client, Dice, Load, Phase, QUEUE, UNAVAILABLE, payload};

/// How long to hold back when enough jobs wait.
const FULL_DELAY: Duration = Duration::from_millis(1);

/// A Put that was sent and not answered.
struct Pending {
    first: u64,
    request: PutStreamRequest,
}

/// Puts until the load ends and every Put is answered.
pub(crate) async fn run(load: Arc<Load>, mut dice: Dice) {
    let mut pending = VecDeque::new();
    while let Some(client) = load.connect().await {
        if put_on_stream(&load, client, &mut pending, &mut dice).await {
            return;
        }
    }
}

/// One stream's life. True when there is nothing left to do, false when it broke.
async fn put_on_stream(
    load: &Load,
    mut client: Client,
    pending: &mut VecDeque<Pending>,
    dice: &mut Dice,
) -> bool {
    let (requests, stream) = mpsc::channel(load.shape.puts);
    for put in &*pending {
        // The channel has room for all that can be pending.
        let _ = requests.try_send(put.request.clone());
    }
    let Ok(answers) = client.put_stream(ReceiverStream::new(stream)).await else {
        return false;
    };
    let mut answers = answers.into_inner();
    loop {
        while pending.len() < load.shape.puts && load.is(Phase::Load) && !load.is_full() {
            let put = new_put(load, dice);
            let sent = requests.send(put.request.clone()).await;
            pending.push_back(put);
            load.puts_in_flight.fetch_add(1, Ordering::Relaxed);
            if sent.is_err() {
                return false;
            }
        }
        if pending.is_empty() {
            if !load.is(Phase::Load) {
                return true;
            }
            tokio::time::sleep(FULL_DELAY).await;
            continue;
        }
        let Ok(Some(answer)) = answers.message().await else {
            return false;
        };
        if answer
            .status
            .as_ref()
            .is_some_and(|status| status.code == UNAVAILABLE)
        {
            // It reads its journal still: nothing has happened, everything is sent again.
            return false;
        }
        if let Some(put) = pending.pop_front() {
            load.puts_in_flight.fetch_sub(1, Ordering::Relaxed);
            record(load, &put, &answer);
        }
    }
}

fn new_put(load: &Load, dice: &mut Dice) -> Pending {
    let batch = load.shape.batch;
    let first = load.ledger().begin_put(batch);
    let jobs = (first..first + batch as u64).map(|job| {
        NewJob::new(payload(job, load.shape.payload)).with(JobOptions {
            max_attempts: 1_000, // dead jobs would be an exception to every rule
            ..JobOptions::default()
        })
    });
    let put = PutRequest {
        queue: QUEUE.into(),
        jobs: jobs.collect(),
        request_id: Uuid::from_u64_pair(dice.next(), dice.next()).to_string(),
        wait: None,
    };
    Pending {
        first,
        request: PutStreamRequest { put: Some(put) },
    }
}

fn record(load: &Load, put: &Pending, answer: &PutStreamResponse) {
    let mut ledger = load.ledger();
    let refused = answer.status.as_ref().filter(|status| status.code != 0);
    if let Some(status) = refused {
        let what = format!(
            "a Put was refused: {} {}",
            status.reason(),
            status.message()
        );
        return ledger.violated(Violation::Refused { what });
    }
    if answer.job_ids.len() != load.shape.batch {
        let what = format!("a Put was answered with {} ids", answer.job_ids.len());
        return ledger.violated(Violation::Refused { what });
    }
    for (job, id) in (put.first..).zip(&answer.job_ids) {
        ledger.put_acknowledged(job, job_id(id));
    }
}

/// The bits of a job id; 0 for what is none.
pub(crate) fn job_id(text: &str) -> u128 {
    Uuid::try_parse(text).map_or(0, |id| id.as_u128())
}
