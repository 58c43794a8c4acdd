//! Random commands. They name jobs, leases and sessions by an index into what has
//! been seen so far, so that most of them hit something.

use std::time::Duration;

use proptest::prelude::*;

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Op {
    Put(PutOp),
    Get {
        queue: usize,
        jobs: usize,
        wait: Option<u64>,
        auto: bool,
        lease: Option<u64>,
    },
    Open {
        queues: u8,
        jobs: usize,
        bytes: u64,
        lease: u64,
        grace: u64,
        held: Vec<usize>,
    },
    SetFlow {
        session: usize,
        jobs: usize,
        bytes: u64,
    },
    Heartbeat(usize),
    DrainSession(usize),
    CloseSession(usize),
    Settle {
        session: Option<usize>,
        verdicts: Vec<(usize, VerdictOp)>,
    },
    Extend {
        session: Option<usize>,
        leases: Vec<usize>,
        duration: Option<u64>,
    },
    TakeBack(Vec<usize>),
    Abandon(usize),
    Cancel(usize),
    WaitJob {
        job: usize,
        wait: u64,
    },
    WaitQueue {
        queue: usize,
        settled: bool,
        wait: u64,
    },
    Create(usize, Option<u64>),
    Bound(usize, Option<u64>),
    Pause(usize, bool),
    Delete(usize),
    Purge(usize, u8, usize),
    Redrive(usize, usize),
    /// Time passes and everything due is done.
    Pass(u64),
    /// Time passes and the Tick comes late.
    Jump(u64),
    /// The server is stopped for a while.
    Stalled(u64),
    /// The wall clock is found ahead, or behind, by so much.
    WallSet(i64),
    Restart(u64),
    /// The oldest part of the journal is compacted away, then a restart.
    Trim(u8),
    Drain,
}

#[derive(Clone, Debug)]
pub struct PutOp {
    pub queue: usize,
    pub sizes: Vec<u8>,
    /// What the contents are made of.
    pub fill: u8,
    pub priority: i32,
    pub delay: Option<u64>,
    pub max_attempts: Option<u32>,
    pub reply_to: Option<usize>,
    pub run_time: Option<u64>,
    pub retention: Option<u64>,
    pub request_id: Option<u128>,
    /// How it differs from the last Put with the same request id, if there was one.
    pub again: Option<Again>,
    pub wait: Option<u64>,
}

/// A Put is sent again with its request id.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    Same,
    /// As many jobs of the same sizes, and other bytes.
    OtherBytes,
    /// To another queue.
    OtherQueue,
}

#[derive(Clone, Debug)]
pub enum VerdictOp {
    Complete,
    Fail(Option<u64>),
    Reject,
    Release(u64),
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => put().prop_map(Op::Put),
        8 => (0..3usize, 1..4usize, wait(), prop::bool::weighted(0.2), lease()).prop_map(
            |(queue, jobs, wait, auto, lease)| Op::Get { queue, jobs, wait, auto, lease }
        ),
        5 => open(),
        3 => (0..8usize, 0..4usize, bytes()).prop_map(
            |(session, jobs, bytes)| Op::SetFlow { session, jobs, bytes }
        ),
        2 => (0..8usize).prop_map(Op::Heartbeat),
        1 => (0..8usize).prop_map(Op::DrainSession),
        2 => (0..8usize).prop_map(Op::CloseSession),
        14 => settle(),
        4 => (prop::option::of(0..8usize), recent(3), lease()).prop_map(
            |(session, leases, duration)| Op::Extend { session, leases, duration }
        ),
        2 => recent(3).prop_map(Op::TakeBack),
        1 => (0..8usize).prop_map(Op::Abandon),
        3 => (0..12usize).prop_map(Op::Cancel),
        3 => ((0..12usize), 0..9000u64).prop_map(|(job, wait)| Op::WaitJob { job, wait }),
        4 => ((0..3usize), any::<bool>(), 0..9000u64).prop_map(
            |(queue, settled, wait)| Op::WaitQueue { queue, settled, wait }
        ),
        1 => (0..4usize, prop::option::of(1..5u64)).prop_map(|(q, max)| Op::Create(q, max)),
        2 => (0..4usize, prop::option::of(1..5u64)).prop_map(|(q, max)| Op::Bound(q, max)),
        3 => (0..4usize, prop::bool::weighted(0.4)).prop_map(|(q, paused)| Op::Pause(q, paused)),
        1 => (0..4usize).prop_map(Op::Delete),
        2 => (0..4usize, any::<u8>(), 1..4usize).prop_map(|(q, s, max)| Op::Purge(q, s, max)),
        2 => (0..4usize, 1..4usize).prop_map(|(queue, max)| Op::Redrive(queue, max)),
        10 => (1..6000u64).prop_map(Op::Pass),
        3 => (1..9000u64).prop_map(Op::Jump),
        2 => (1..9000u64).prop_map(Op::Stalled),
        1 => (-9000..9000i64).prop_map(Op::WallSet),
        2 => (0..5000u64).prop_map(Op::Restart),
        2 => any::<u8>().prop_map(Op::Trim),
        1 => prop::bool::weighted(0.3).prop_map(|d| if d { Op::Drain } else { Op::Pass(1) }),
    ]
}

fn put() -> impl Strategy<Value = PutOp> {
    let content = (
        0..3usize,
        prop::collection::vec(prop_oneof![1 => Just(0u8), 3 => 0..40u8], 1..4),
        -1..2i32,
    );
    let rules = (
        prop::option::weighted(0.2, 1..5000u64),
        prop::option::weighted(0.5, 1..3u32),
        prop::option::weighted(0.25, 0..4usize),
        prop::option::weighted(0.15, 500..6000u64),
        prop::option::weighted(0.25, 1000..8000u64),
    );
    let again = prop_oneof![
        2 => Just(Again::Same),
        1 => Just(Again::OtherBytes),
        1 => Just(Again::OtherQueue),
    ];
    let id = prop::option::weighted(0.4, 0..5u128);
    let call = (id, prop::option::weighted(0.6, again), wait());
    (content, rules, call).prop_map(
        |((queue, sizes, priority), rules, (request_id, again, wait))| PutOp {
            queue,
            sizes,
            fill: b'x',
            priority,
            delay: rules.0,
            max_attempts: rules.1,
            reply_to: rules.2,
            run_time: rules.3,
            retention: rules.4,
            request_id,
            again,
            wait,
        },
    )
}

fn open() -> impl Strategy<Value = Op> {
    let limits = (0..4usize, bytes(), 2000..9000u64, 0..3000u64);
    (1..8u8, limits, recent(4)).prop_map(|(queues, (jobs, bytes, lease, grace), held)| Op::Open {
        queues,
        jobs,
        bytes,
        lease,
        grace,
        held,
    })
}

fn settle() -> impl Strategy<Value = Op> {
    let verdict = prop_oneof![
        5 => Just(VerdictOp::Complete),
        3 => prop::option::of(0..3000u64).prop_map(VerdictOp::Fail),
        1 => Just(VerdictOp::Reject),
        2 => prop_oneof![Just(0), 1..3000u64].prop_map(VerdictOp::Release),
    ];
    let entry = (prop_oneof![4 => 0..5usize, 1 => 5..40usize], verdict);
    let session = prop::option::of(0..8usize);
    (session, prop::collection::vec(entry, 1..5))
        .prop_map(|(session, verdicts)| Op::Settle { session, verdicts })
}

fn wait() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(1..9000u64)
}

fn lease() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(500..7000u64)
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1000u64), 10..90u64]
}

/// Leases counted from the last one granted.
fn recent(most: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..8usize, 0..most)
}
