//! What can be typed: the command tree. Each verb's own arguments stand with the verb.

use clap::{Parser, Subcommand};

use crate::exit;
use crate::output::Format;
use crate::verbs::bench::Bench;
use crate::verbs::completions::Completions;
use crate::verbs::config::Config;
use crate::verbs::dead::Dead;
use crate::verbs::demo::Demo;
use crate::verbs::demo::worker::DemoWorker;
use crate::verbs::dev::Dev;
use crate::verbs::doctor::Doctor;
use crate::verbs::extend::Extend;
use crate::verbs::get::Get;
use crate::verbs::health::Health;
use crate::verbs::job::Job;
use crate::verbs::put::Put;
use crate::verbs::queue::Queue;
use crate::verbs::serve::Serve;
use crate::verbs::settle::Settle;
use crate::verbs::version::Version;
use crate::verbs::work::Work;

/// A durable job queue over gRPC: the server and its tools, in one binary.
///
/// First steps: `leaseq demo` shows what it does. `leaseq dev` runs a server on this machine; then
/// `leaseq put jobs hello` in a second terminal and `leaseq get jobs` in a third.
#[derive(Debug, Parser)]
#[command(
    name = "leaseq",
    version,
    after_help = exit::HELP,
    disable_help_subcommand = true,
    max_term_width = 100,
    infer_long_args = false
)]
pub(crate) struct Cli {
    /// How to print: table, json or name
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(Dev),
    Serve(Serve),
    Demo(Demo),
    Put(Put),
    Get(Get),
    Work(Work),
    Settle(Settle),
    Extend(Extend),
    #[command(subcommand)]
    Queue(Queue),
    #[command(subcommand)]
    Job(Job),
    #[command(subcommand)]
    Dead(Dead),
    Health(Health),
    #[command(subcommand)]
    Config(Config),
    Doctor(Doctor),
    #[command(subcommand)]
    Bench(Bench),
    Completions(Completions),
    Version(Version),
    #[command(name = "demo-worker", hide = true)]
    DemoWorker(DemoWorker),
}

/// Reads the command line; on a mistake says which and ends the process with 2.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_and_every_option_is_explained() {
        check_help(&Cli::command());
    }

    fn check_help(command: &clap::Command) {
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some() || argument.is_hide_set(),
                "{} {} has no help",
                command.get_name(),
                argument.get_id()
            );
        }
        for verb in command.get_subcommands() {
            assert!(
                verb.get_about().is_some(),
                "{} has no help",
                verb.get_name()
            );
            check_help(verb);
        }
    }

    #[test]
    fn an_authkey_is_never_an_argument() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert_ne!(argument.get_long(), Some("authkey"), "{command}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
