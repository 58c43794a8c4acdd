//! The scenarios by name.

use std::time::Duration;

use crate::load::{Form, Kind, Load};

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) shape: Shape,
    /// Masters and workers, unless others are named.
    pub(crate) pairs: &'static [usize],
    /// Bytes of a payload, unless others are named.
    pub(crate) payloads: &'static [usize],
    /// Whether peers have something to compare.
    pub(crate) peers: bool,
}

/// What is done in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A load on an empty server.
    Plain(Kind, Form, usize),
    /// Single jobs at half of what the subject can do one job per message.
    HalfRate,
    /// So many jobs waiting: memory, disk, throughput, restart.
    Backlog(u64),
    /// So many sessions that do nothing.
    Idle(usize),
}

const fn plain(kind: Kind, form: Form) -> Shape {
    Shape::Plain(kind, form, 1)
}

/// How many messages are on their way where each has one job.
const IN_FLIGHT: usize = 64;
const PAIRS: &[usize] = &[1, 8, 64];
const PAYLOADS: &[usize] = &[128, 1024];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "call",
        what: "life cycle, a call per job",
        shape: plain(Kind::Cycle, Form::Call),
        pairs: PAIRS,
        payloads: PAYLOADS,
        peers: true,
    },
    Scenario {
        name: "stream",
        what: "life cycle, one job per message, 64 in flight",
        shape: plain(Kind::Cycle, Form::Stream(IN_FLIGHT)),
        pairs: PAIRS,
        payloads: PAYLOADS,
        peers: true,
    },
    Scenario {
        name: "batch100",
        what: "life cycle, batches of 100",
        shape: plain(Kind::Cycle, Form::Batch(100)),
        pairs: PAIRS,
        payloads: PAYLOADS,
        peers: true,
    },
    Scenario {
        name: "batch1000",
        what: "life cycle, batches of 1000",
        shape: plain(Kind::Cycle, Form::Batch(1000)),
        pairs: PAIRS,
        payloads: PAYLOADS,
        peers: true,
    },
    Scenario {
        name: "put100",
        what: "put only, batches of 100",
        shape: plain(Kind::Put, Form::Batch(100)),
        pairs: &[8],
        payloads: &[128],
        peers: true,
    },
    Scenario {
        name: "latency",
        what: "single jobs at 200/s, one master, one worker",
        shape: plain(Kind::Latency { rate: 200 }, Form::Call),
        pairs: &[1],
        payloads: &[128],
        peers: true,
    },
    Scenario {
        name: "latency-half",
        what: "single jobs at half of what the subject can do",
        shape: Shape::HalfRate,
        pairs: &[8],
        payloads: &[128],
        peers: true,
    },
    Scenario {
        name: "large",
        what: "life cycle, payloads of 64 KiB, batches of 16",
        shape: plain(Kind::Cycle, Form::Batch(16)),
        pairs: &[8],
        payloads: &[64 << 10],
        peers: true,
    },
    Scenario {
        name: "queues1000",
        what: "life cycle, batches of 100, 1,000 queues at once",
        shape: Shape::Plain(Kind::Cycle, Form::Batch(100), 1_000),
        pairs: &[64],
        payloads: &[128],
        peers: false,
    },
    Scenario {
        name: "backlog1m",
        what: "1M waiting jobs: memory, disk, throughput, restart",
        shape: Shape::Backlog(1_000_000),
        pairs: &[8],
        payloads: &[128],
        peers: true,
    },
    Scenario {
        name: "backlog10m",
        what: "10M waiting jobs: memory, disk, throughput, restart",
        shape: Shape::Backlog(10_000_000),
        pairs: &[8],
        payloads: &[128],
        peers: true,
    },
    Scenario {
        name: "idle",
        what: "10,000 sessions that wait: memory and processor time",
        shape: Shape::Idle(10_000),
        pairs: &[1],
        payloads: &[128],
        peers: false,
    },
];

impl Scenario {
    /// By its name.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            format!("there is no {name:?}; there are {}", names.join(", "))
        })
    }

    /// Its load for one size.
    pub(crate) fn load(
        &self,
        pairs: usize,
        payload: usize,
        warm_up: Duration,
        duration: Duration,
    ) -> Load {
        let (kind, form, queues) = match self.shape {
            Shape::Plain(kind, form, queues) => (kind, form, queues),
            Shape::HalfRate | Shape::Idle(_) => (Kind::Cycle, Form::Stream(IN_FLIGHT), 1),
            Shape::Backlog(_) => (Kind::Cycle, Form::Batch(100), 1),
        };
        Load {
            kind,
            form,
            pairs,
            payload,
            queues,
            warm_up,
            duration,
        }
    }

    /// What the table of one size is called.
    pub(crate) fn title(&self, load: &Load) -> String {
        match self.shape {
            Shape::Plain(..) => load.name(),
            Shape::HalfRate => format!("latency at half of the maximum, {0}/{0}", load.pairs),
            Shape::Backlog(jobs) => format!(
                "backlog of {}M jobs of {} B, life cycle in batches of 100, {2}/{2}",
                jobs / 1_000_000,
                load.payload,
                load.pairs
            ),
            Shape::Idle(sessions) => format!("{sessions} idle sessions"),
        }
    }
}
