//! `leaseq bench`: load, and what it costs.
//!
//! Masters and workers are tasks of this process, each with a connection of its own. They share
//! the machine with the server: what they take, it does not have.

mod balance;
mod clock;
mod fill;
mod latency;
mod load;
mod master;
mod pacer;
mod put;
mod queues;
mod report;
mod roundtrip;
mod run;
mod stats;
mod target;
mod worker;

use clap::Subcommand;

use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::platform;

/// Measure a server: this machine's own, or one that runs already
///
/// With --addr or LEASEQ_ADDR it measures that server, on a queue of its own that it deletes
/// afterwards. Without, it starts a server on a temporary directory and removes it all.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    Roundtrip(roundtrip::Roundtrip),
    Put(put::Put),
    Latency(latency::Latency),
    Fill(fill::Fill),
}

impl Bench {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        tokio::select! {
            outcome = self.measure(format) => outcome,
            // The child dies and the directory goes with what is dropped here.
            () = platform::stop_requested() => Err(Failure::error("interrupted")),
        }
    }

    async fn measure(self, format: Format) -> Outcome {
        match self {
            Self::Roundtrip(mode) => mode.run(format).await,
            Self::Put(mode) => mode.run(format).await,
            Self::Latency(mode) => mode.run(format).await,
            Self::Fill(mode) => mode.run(format).await,
        }
    }
}
