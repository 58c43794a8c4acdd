//! `leaseq job …`: single jobs.

mod cancel;
pub(crate) mod ls;
mod show;
pub(crate) mod wait;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Format;

/// Look at jobs, wait for them, cancel them
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    Ls(ls::Ls),
    Show(show::Show),
    Wait(wait::Wait),
    Cancel(cancel::Cancel),
}

impl Job {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        match self {
            Self::Ls(verb) => verb.run(format).await,
            Self::Show(verb) => verb.run(format).await,
            Self::Wait(verb) => verb.run(format).await,
            Self::Cancel(verb) => verb.run(format).await,
        }
    }
}
