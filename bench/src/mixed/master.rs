//! Puts jobs of all kinds. The first byte of a payload tells the worker what to do with it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use leaseq_client::{Client, NewJob, PutTicket, RetryPolicy};
use tokio::sync::mpsc;

use super::{OUTCOMES, QUEUE, Shared};

/// Jobs in a Put, and Puts on their way.
const BATCH: usize = 100;
const IN_FLIGHT: usize = 8;

/// What a worker is to do with a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Fate {
    Complete,
    /// Fail the first attempt.
    Fail,
    /// Give it back now and then.
    Release,
    /// Never again: dead.
    Reject,
    /// Do nothing at the first attempt, until its lease expires.
    Forget,
}

impl Fate {
    pub(super) fn of(payload: &[u8]) -> Self {
        match payload.first() {
            Some(1) => Self::Fail,
            Some(2) => Self::Release,
            Some(3) => Self::Reject,
            Some(4) => Self::Forget,
            _ => Self::Complete,
        }
    }
}

/// Puts until there is no room any more.
pub(super) async fn run(
    client: Client,
    shared: Arc<Shared>,
    number: u64,
) -> leaseq_client::Result<()> {
    let stream = client.put_stream_with(IN_FLIGHT);
    let (sender, sent) = mpsc::channel(IN_FLIGHT);
    let reader = tokio::spawn(read_answers(Arc::clone(&shared), sent));
    let mut dice = Dice::new(number);
    while let Ok(room) = shared.room.acquire_many(BATCH as u32).await {
        room.forget();
        let mut with_reply = 0;
        let jobs = (0..BATCH).map(|_| job(&mut dice, shared.payload, &mut with_reply));
        let ticket = stream.put_batch(QUEUE, jobs.collect()).await?;
        if sender.send((ticket, with_reply)).await.is_err() {
            break;
        }
    }
    drop(sender);
    // A reader that broke has said why in its own result.
    reader.await.unwrap_or(Ok(()))
}

async fn read_answers(
    shared: Arc<Shared>,
    mut sent: mpsc::Receiver<(PutTicket, u64)>,
) -> leaseq_client::Result<()> {
    while let Some((ticket, with_reply)) = sent.recv().await {
        ticket.await?;
        shared.tally.answered();
        shared.tally.put.fetch_add(BATCH as u64, Relaxed);
        shared.tally.put_with_reply.fetch_add(with_reply, Relaxed);
    }
    Ok(())
}

/// Most jobs are plain; the others are told something.
fn job(dice: &mut Dice, payload_bytes: usize, with_reply: &mut u64) -> NewJob {
    let fate = match dice.below(1000) {
        0..50 => Fate::Fail,
        50..80 => Fate::Release,
        80..85 => Fate::Reject,
        85..88 => Fate::Forget,
        _ => Fate::Complete,
    };
    let mut payload = vec![0; payload_bytes.max(1)];
    payload[0] = fate as u8;
    for chunk in payload[1..].chunks_mut(8) {
        chunk.copy_from_slice(&dice.roll().to_le_bytes()[..chunk.len()]);
    }
    let mut job = NewJob::new(payload);
    job = match dice.below(100) {
        0..10 => job.priority(i32::try_from(dice.below(11)).unwrap_or(0) - 5),
        10..20 => job.delay(Duration::from_millis(50 + dice.below(1950))),
        20..40 => {
            *with_reply += 1;
            job.reply_to(OUTCOMES)
        }
        _ => job,
    };
    match fate {
        Fate::Fail => job.retry(RetryPolicy {
            initial_delay: Some(Duration::from_millis(100)),
            ..RetryPolicy::default()
        }),
        Fate::Forget => job.max_run_time(Duration::from_secs(1)),
        Fate::Complete | Fate::Release | Fate::Reject => job,
    }
}

/// A small generator: the same jobs in every run.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.roll() >> 11) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_travels_in_the_payload() {
        let all = [
            Fate::Complete,
            Fate::Fail,
            Fate::Release,
            Fate::Reject,
            Fate::Forget,
        ];
        for fate in all {
            assert_eq!(Fate::of(&[fate as u8, 0]), fate);
        }
    }
}
