//! `leaseq dead …`: jobs that were given up.

mod ls;
mod redrive;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Format;

/// Look at dead jobs and make them ready again
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    Ls(ls::Ls),
    Redrive(redrive::Redrive),
}

impl Dead {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        match self {
            Self::Ls(verb) => verb.run(format).await,
            Self::Redrive(verb) => verb.run(format).await,
        }
    }
}
