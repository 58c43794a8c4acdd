//! `leaseq-bench`: leaseq beside its peers and beside its own limits, turn by turn in one run, so
//! that a ratio holds even where the machine does not.
//!
//! A *subject* is a server with one setting, a *scenario* is a load, a *turn* is one measurement of
//! one subject. Subjects take turns (A B C A B C ...), each on a fresh server, and the report has
//! the median and the spread of each.
#![allow(clippy::print_stdout)] // it talks to people

mod args;
mod backlog;
mod failure;
mod fdatasync;
mod idle;
mod leaseq;
mod limits;
mod load;
mod measured;
mod mixed;
#[cfg(feature = "peers")]
mod peers;
#[path = "../../client/tests/support/port.rs"]
mod port;
mod report;
mod run;
mod scenario;
mod server;
mod subject;
mod turn;
mod usage;

use std::process::ExitCode;

// What leaseq's own bench has: the peers' clients are to have no disadvantage.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let ran = tokio::select! {
        ran = args::run() => ran,
        // Servers die and directories go with what is dropped here.
        _ = tokio::signal::ctrl_c() => Err(failure::Failure::new("interrupted")),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("leaseq-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
