//! `leaseq config …`: what a server would run with.

mod print;
mod template;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Format;

/// Show the server's configuration, or a file to start from
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    Print(print::Print),
    Template(template::Template),
}

impl Config {
    pub(crate) fn run(&self, format: Format) -> Outcome {
        match self {
            Self::Print(verb) => verb.run(format),
            Self::Template(verb) => verb.run(),
        }
    }
}
