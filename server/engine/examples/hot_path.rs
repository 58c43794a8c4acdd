//! Measures the hot path: nanoseconds per job for put, grant and complete in
//! batches, and the memory of a backlog.
//!
//! `cargo run --release -p leaseq-engine --example hot_path`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use leaseq_engine::command::{
    Command, Flow, NewJob, OpenSession, Put, Settle, Settlement, Verdict,
};
use leaseq_engine::effect::{Effect, Grant};
use leaseq_engine::id::{LeaseRef, NamespaceTag, NumberFloor, QueueName, Scope, SessionId, Ticket};
use leaseq_engine::settings::EngineConfig;
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_engine::{Engine, Output};

/// How long each round took. The median is shown: on a busy machine the mean
/// measures the neighbours.
#[derive(Default)]
struct Clock {
    put: Vec<Duration>,
    grant: Vec<Duration>,
    complete: Vec<Duration>,
}

fn main() {
    let batch = 100;
    backlog(batch);
    for _ in 0..3 {
        round_trips(batch, 20_000, 0);
    }
    for batch in [1, 10, 1000] {
        round_trips(batch, 2_000_000 / batch / 10, 0);
    }
    round_trips(batch, 20_000, 10_000_000);
}

fn put(queue: &QueueName, batch: usize, payload: &Bytes) -> Command {
    let job = NewJob::plain(Content {
        headers: Bytes::new(),
        payload: payload.clone(),
    });
    Command::Put(Put {
        ticket: Ticket(1),
        queue: queue.clone(),
        jobs: vec![job; batch],
        repeatable: None,
        until: None,
    })
}

fn engine() -> Engine {
    let mut engine = Engine::new(EngineConfig::default());
    let mut first = Output::default();
    engine.create(NamespaceTag::new(1), [1; 16], &mut first);
    // As a start does it: numbers are large.
    let wall = Time::from_millis(1_764_000_000_000);
    let floor = NumberFloor::at(wall);
    engine.restored(Time::default(), Time::default(), Some(floor), &mut first);
    engine
}

fn open(jobs_max: usize, queue: &QueueName) -> Command {
    Command::OpenSession(OpenSession {
        ticket: Ticket(2),
        session: SessionId(1),
        queues: vec![queue.clone()],
        worker: "w".into(),
        flow: Flow {
            jobs_max,
            bytes_max: 1 << 30,
        },
        lease_duration: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        held: Vec::new(),
        scope: Scope::All,
    })
}

/// Put into a queue with so many waiting jobs, grant to a session as it frees its place, complete.
fn round_trips(batch: usize, rounds: usize, waiting: usize) {
    let queue = QueueName::new("q").unwrap();
    let payload = Bytes::from(vec![0; 128]);
    let mut engine = engine();
    let mut clock = Clock::default();
    let mut now = Time::from_millis(1_000_000);
    for _ in 0..waiting / batch {
        now = now.after(Duration::from_millis(1));
        engine.apply(now, put(&queue, batch, &payload), &mut Output::default());
    }
    let mut out = Output::default();
    engine.apply(now, open(0, &queue), &mut out);
    for round in 0..rounds {
        if round % 10 == 0 {
            now = now.after(Duration::from_millis(1));
        }
        let command = put(&queue, batch, &payload);
        let began = Instant::now();
        engine.apply(now, command, &mut out);
        clock.put.push(began.elapsed());
        out = Output::default();
        let began = Instant::now();
        let flow = Flow {
            jobs_max: batch,
            bytes_max: 1 << 30,
        };
        let session = SessionId(1);
        engine.apply(now, Command::SetFlow { session, flow }, &mut out);
        clock.grant.push(began.elapsed());
        let grants = delivered(&mut out);
        assert_eq!(grants.len(), batch);
        let none = Flow {
            jobs_max: 0,
            bytes_max: 0,
        };
        engine.apply(
            now,
            Command::SetFlow {
                session,
                flow: none,
            },
            &mut out,
        );
        let settle = settle(grants);
        let began = Instant::now();
        engine.apply(now, settle, &mut out);
        clock.complete.push(began.elapsed());
        out = Output::default();
    }
    let ns = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos() as f64 / batch as f64
    };
    let (put, grant) = (ns(&mut clock.put), ns(&mut clock.grant));
    let complete = ns(&mut clock.complete);
    println!(
        "batch {batch:4}, {waiting} waiting: put {put:6.1}  grant {grant:6.1}  \
         complete {complete:6.1}  together {:6.1} ns/job",
        put + grant + complete
    );
}

fn delivered(out: &mut Output) -> Vec<Grant> {
    let effects = std::mem::take(&mut out.effects);
    let delivered = effects.into_iter().filter_map(|effect| match effect {
        Effect::Deliver { grants, .. } => Some(grants),
        _ => None,
    });
    delivered.flatten().collect()
}

fn settle(grants: Vec<Grant>) -> Command {
    let settlements = grants.into_iter().map(|grant| {
        Ok(Settlement {
            lease: LeaseRef {
                job: grant.job,
                lease: grant.lease,
            },
            verdict: Verdict::Complete {
                result: Bytes::new(),
            },
        })
    });
    Command::Settle(Settle {
        ticket: Ticket(3),
        session: Some(SessionId(1)),
        scope: Scope::All,
        settlements: settlements.collect(),
        random: 1,
    })
}

/// A million waiting jobs, one millisecond for each Put, then all of it away again.
fn backlog(batch: usize) {
    let queue = QueueName::new("q").unwrap();
    let payload = Bytes::from(vec![0; 128]);
    let mut engine = engine();
    let mut now = Time::from_millis(1_000_000);
    let before = resident_bytes();
    let began = Instant::now();
    for _ in 0..1_000_000 / batch {
        now = now.after(Duration::from_millis(1));
        let mut out = Output::default();
        engine.apply(now, put(&queue, batch, &payload), &mut out);
    }
    let took = began.elapsed();
    let bytes = resident_bytes() - before;
    println!(
        "backlog of 1,000,000 put by {batch}: {bytes} bytes, {} ns/job",
        took.as_nanos() / 1_000_000
    );
    let mut out = Output::default();
    let began = Instant::now();
    engine.apply(now, open(1000, &queue), &mut out);
    let mut left = 1_000_000;
    while left > 0 {
        let grants = delivered(&mut out);
        left -= grants.len();
        out = Output::default();
        engine.apply(now, settle(grants), &mut out);
    }
    println!(
        "leased and completed by 1000: {} ns/job",
        began.elapsed().as_nanos() / 1_000_000
    );
}

/// Resident memory; 0 where /proc does not tell.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024
}
