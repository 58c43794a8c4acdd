//! What the modes have in common: how much load, for how long, against what.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::connect::Connect;
use crate::values;

/// The server to measure.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// Where a server of its own keeps its data [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The sync policy of a server of its own: always, interval:5ms, os
    #[arg(long, value_name = "POLICY", default_value = "always")]
    pub(super) sync: String,
    /// The process of a server that is named by --addr and runs on this machine: what it uses is
    /// measured too
    #[arg(long, value_name = "PID", requires = "addr")]
    pub(super) pid: Option<u32>,
    #[command(flatten)]
    pub(super) connect: Connect,
}

/// How long.
#[derive(Clone, Debug, Args)]
pub(super) struct TimeArgs {
    /// How long to measure
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = values::positive_duration
    )]
    pub(super) duration: Duration,
    /// How long the load runs before it is measured
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = values::duration)]
    pub(super) warm_up: Duration,
}

/// Those who put.
#[derive(Clone, Debug, Args)]
pub(super) struct MasterArgs {
    /// How many masters, each with its own connection
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one)]
    pub(super) masters: usize,
    /// How many bytes a payload has, at least 8
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = payload_bytes)]
    pub(super) payload: usize,
    /// Unary calls only, one at a time for each master and worker, instead of streams
    #[arg(long)]
    pub(super) unary: bool,
}

/// How many jobs go together.
#[derive(Clone, Debug, Args)]
pub(super) struct BatchArgs {
    /// How many jobs in one Put (and, unary, in one Get and one Settle)
    #[arg(long, value_name = "N", default_value = "100", value_parser = batch)]
    pub(super) batch: usize,
    /// How many Puts a master has in flight on its stream
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least_one)]
    pub(super) in_flight: usize,
}

/// Those who lease and complete.
#[derive(Clone, Debug, Args)]
pub(super) struct WorkerArgs {
    /// How many workers, each with its own connection
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one)]
    pub(super) workers: usize,
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = values::positive_count(text)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

fn batch(text: &str) -> Result<usize, String> {
    match at_least_one(text)? {
        number @ 1..=1000 => Ok(number),
        _ => Err("must be from 1 to 1000".to_owned()),
    }
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    match at_least_one(text)? {
        0..=7 => Err("must be at least 8: a payload begins with a time stamp".to_owned()),
        number => Ok(number),
    }
}
