//! `leaseq completions`: what a shell needs to complete our words.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Print shell completions
#[derive(Debug, Args)]
#[command(after_help = "\
    Bash: leaseq completions bash > ~/.local/share/bash-completion/completions/leaseq\n\
    Zsh:  leaseq completions zsh > \"${fpath[1]}/_leaseq\"\n\
    Fish: leaseq completions fish > ~/.config/fish/completions/leaseq.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "leaseq", &mut script);
        script
            .flush()
            .map_err(|error| Failure::error(error.to_string()))?;
        output::raw(&script)?;
        Ok(Exit::Ok)
    }
}
