//! How fast the journal alone is: no engine, no gRPC. Each batch adds, leases and
//! completes the same number of jobs, as a server under a steady load does.
//!
//! `cargo run --release -p leaseq-store --example journal_speed -- [DIR]`

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef, QueueId};
use leaseq_engine::settings::{JobSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Holder, Sizes, Transition};
use leaseq_store::{Batch, Compaction, Journal, JournalOptions, Store};

const PAYLOAD_BYTES: usize = 128;
const RUN_TIME: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    for jobs in [1, 100, 1_000, 10_000] {
        let dir = base.join(format!(
            "leaseq-journal-speed-{}-{jobs}",
            std::process::id()
        ));
        let rate = run(&dir, jobs)?;
        std::fs::remove_dir_all(&dir)?;
        writeln(&format!(
            "{jobs:>6} jobs a batch: {rate:>10.0} jobs/s put, leased, completed"
        ));
    }
    Ok(())
}

fn run(dir: &std::path::Path, jobs: u32) -> Result<f64, Box<dyn Error>> {
    let mut journal = Journal::open(dir, JournalOptions::default())?;
    let loaded = journal.load(&mut |_, _| Ok(()))?;
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let mut position = loaded.next;
    let mut first = 1;
    let started = Instant::now();
    while started.elapsed() < RUN_TIME {
        let transitions = cycle(first, jobs, &payload);
        let batch = Batch {
            time: Time::from_millis(1),
            transitions,
        };
        position = journal.commit(loaded.epoch, position, batch)?.next;
        first += u64::from(jobs);
        if let Compaction::RestateLedger { .. } = journal.compact()? {
            let ledger = Transition::CountersRestated {
                next_job: JobSeq(first),
                next_lease: LeaseNumber(first),
                next_queue: QueueId(2),
            };
            let batch = Batch {
                time: Time::from_millis(1),
                transitions: vec![ledger],
            };
            position = journal.commit(loaded.epoch, position, batch)?.next;
        }
    }
    Ok((first - 1) as f64 / started.elapsed().as_secs_f64())
}

/// New jobs, and the lease and end of the jobs before them.
fn cycle(first: u64, jobs: u32, payload: &Bytes) -> Vec<Transition> {
    let content = Content {
        headers: Bytes::new(),
        payload: payload.clone(),
    };
    let mut transitions = vec![Transition::JobsAdded {
        first: JobSeq(first),
        queue: QueueId(1),
        put_time: Time::from_millis(1),
        settings: JobSettings {
            priority: 0,
            ready_time: None,
            max_attempts: 20,
            retry: RetryPolicy::default(),
            reply_to: None,
            run_time_max: None,
            result_retention: Duration::ZERO,
        },
        sizes: Sizes::Uniform {
            count: jobs,
            size: content.size(),
        },
        contents: vec![content; jobs as usize],
    }];
    if let Some(before) = first.checked_sub(u64::from(jobs)) {
        let seqs = (before..first).map(JobSeq);
        transitions.push(Transition::LeasesGranted {
            first_lease: LeaseNumber(before),
            jobs: seqs.clone().collect(),
            grant_time: Time::from_millis(1),
            holder: Holder::Session,
            lease_duration: Duration::from_secs(30),
        });
        let leases = seqs
            .map(|job| LeaseRef {
                job,
                lease: LeaseNumber(job.0),
            })
            .collect();
        transitions.push(Transition::JobsCompleted { leases });
    }
    transitions
}

#[allow(clippy::print_stdout, reason = "its output is its purpose")]
fn writeln(line: &str) {
    println!("{line}");
}
