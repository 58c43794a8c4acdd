//! What a command weighs in a batch, and the randomness of one.

use leaseq_engine::command::Command;
use leaseq_engine::time::Time;

/// Bytes that a command brings into the journal beside a few fixed ones.
pub(super) fn content_bytes(command: &Command) -> usize {
    match command {
        Command::Put(put) => put
            .jobs
            .iter()
            .map(|job| job.content.payload.len() + job.content.headers.len())
            .sum(),
        Command::Settle(settle) => settle
            .settlements
            .iter()
            .flatten()
            .map(|settlement| match &settlement.verdict {
                leaseq_engine::command::Verdict::Complete { result } => result.len(),
                _ => 0,
            })
            .sum(),
        _ => 0,
    }
}

/// How many jobs a command is about; one, if it does not say.
pub(super) fn jobs_in(command: &Command) -> usize {
    match command {
        Command::Put(put) => put.jobs.len(),
        Command::Settle(settle) => settle.settlements.len(),
        Command::Extend(extend) => extend.leases.len(),
        _ => 1,
    }
}

/// Jitter for what a tick retries: spread by the moment is enough.
pub(super) fn splitmix(time: Time) -> u64 {
    let z = time.as_millis().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
