//! `leaseq queue …`: queues as things to look at and change.

mod create;
mod ls;
mod pause;
mod purge;
mod resume;
mod rm;
mod settings;
mod show;
mod update;
mod wait;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Format;

/// Look at queues and change them
#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    Ls(ls::Ls),
    Show(show::Show),
    Create(create::Create),
    Update(update::Update),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Wait(wait::Wait),
    Purge(purge::Purge),
    Rm(rm::Rm),
}

impl Queue {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        match self {
            Self::Ls(verb) => verb.run(format).await,
            Self::Show(verb) => verb.run(format).await,
            Self::Create(verb) => verb.run(format).await,
            Self::Update(verb) => verb.run(format).await,
            Self::Pause(verb) => verb.run(format).await,
            Self::Resume(verb) => verb.run(format).await,
            Self::Wait(verb) => verb.run(format).await,
            Self::Purge(verb) => verb.run(format).await,
            Self::Rm(verb) => verb.run(format).await,
        }
    }
}
