//! The engine against a naive reference: random commands, time that jumps,
//! restarts and compacted journals.
//!
//! After every operation the invariants are checked by a full scan and everything
//! that can be read is compared. `PROPTEST_CASES` raises the number of runs.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    missing_docs,
    unreachable_pub
)]

mod audit;
mod commands;
mod crash;
mod expect;
mod expect_leases;
mod expect_tick;
mod job;
mod ops;
mod reference;
mod rules;
mod runner;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use leaseq_engine::transition::Transition;
use ops::{Op, op};
use runner::Runner;

fn config() -> Config {
    Config {
        // What fails becomes a named test below: nothing is written beside the source.
        failure_persistence: None::<Box<FileFailurePersistence>>.map(|p| p as _),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn the_engine_is_the_naive_queue(ops in prop::collection::vec(op(), 1..80)) {
        run(&ops);
    }
}

proptest! {
    #![proptest_config(Config { cases: config().cases / 8 + 1, ..config() })]
    /// Simulation and replay rest on it.
    #[test]
    fn the_same_commands_give_the_same_transitions(ops in prop::collection::vec(op(), 1..80)) {
        assert!(run(&ops) == run(&ops));
    }
}

/// Returns what a store would hold at the end.
fn run(ops: &[Op]) -> Vec<Transition> {
    let mut runner = Runner::new();
    // One of the queues is bounded from the start: Puts wait in most runs.
    runner.run(&Op::Create(2, Some(4)));
    for op in ops {
        runner.run(op);
    }
    runner.finish();
    runner.journal
}
