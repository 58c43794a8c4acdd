//! The verbs, one file each.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dead;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod extend;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod job;
pub(crate) mod put;
pub(crate) mod queue;
pub(crate) mod serve;
pub(crate) mod settle;
pub(crate) mod version;
pub(crate) mod work;

use crate::args::{Cli, Command};
use crate::exit::{Failure, Outcome};

/// Runs what was asked.
pub(crate) fn run(cli: Cli) -> Outcome {
    let format = cli.output;
    // These need no network, and doctor reads for long: no runtime for them.
    match cli.command {
        Command::Completions(verb) => return verb.run(),
        Command::Config(verb) => return verb.run(format),
        Command::Doctor(verb) => return verb.run(format),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(network_threads())
        .enable_all()
        .build()
        .map_err(|error| Failure::error(format!("cannot start threads: {error}")))?;
    runtime.block_on(run_async(cli))
}

/// How many threads carry: one core is left to those that decide and make durable, in the
/// server, and to the server, for its clients. With a thread for every core they wake each
/// other in vain: on two cores, jobs one by one on streams cost a server a fifth more, and a
/// lone Put waits a fifth longer for its answer.
fn network_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).max(1)
}

async fn run_async(cli: Cli) -> Outcome {
    let format = cli.output;
    match cli.command {
        Command::Dev(verb) => verb.run(format).await,
        Command::Serve(verb) => verb.run().await,
        Command::Demo(verb) => verb.run(format).await,
        Command::DemoWorker(verb) => verb.run().await,
        Command::Put(verb) => verb.run(format).await,
        Command::Get(verb) => verb.run(format).await,
        Command::Work(verb) => verb.run(format).await,
        Command::Settle(verb) => verb.run(format).await,
        Command::Extend(verb) => verb.run(format).await,
        Command::Queue(verb) => verb.run(format).await,
        Command::Job(verb) => verb.run(format).await,
        Command::Dead(verb) => verb.run(format).await,
        Command::Health(verb) => verb.run(format).await,
        Command::Bench(verb) => verb.run(format).await,
        Command::Version(verb) => verb.run(format).await,
        Command::Completions(verb) => verb.run(),
        Command::Config(verb) => verb.run(format),
        Command::Doctor(verb) => verb.run(format),
    }
}
