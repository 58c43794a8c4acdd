//! The one binary `leaseq`: the server, its tools, and a command line for masters and workers.
//!
//! `args` says what can be typed, `verbs` has one file per verb, `output` and `exit` are what a
//! caller sees. Queue rules and gRPC are somewhere else: in `leaseq-server` and `leaseq-client`.
#![allow(clippy::print_stdout)] // the one place that talks to people

mod args;
mod child;
mod connect;
mod exit;
mod notice;
mod output;
mod payload;
mod platform;
mod process;
mod server_options;
mod show;
mod values;
mod verbs;

use std::process::ExitCode;

// musl's allocator is many times slower under threads, and glibc's keeps freed memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = args::parse();
    let format = cli.output;
    match verbs::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(format),
    }
}
