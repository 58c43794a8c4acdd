//! The server's options as flags, made from the server's own table: what is true of one is true of
//! flag, environment, file, help and template.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use leaseq_server::config::{Config, ConfigError, Kind, Layer, OptionSpec, Resolved, options};

use crate::exit::{Exit, Failure};

const CONFIG: &str = "config";

/// What the command line says about the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerOptions {
    flags: Layer,
    file: Option<PathBuf>,
}

impl ServerOptions {
    /// Puts flags, environment, file and defaults on top of each other.
    pub(crate) fn resolve(&self) -> Result<Resolved, Failure> {
        let environment = Layer::from_process_environment();
        Config::resolve(&self.flags, &environment, self.file.as_deref())
            .map_err(|error| failure(&error))
    }
}

/// A configuration that cannot be used is a mistake in how the program was called.
pub(crate) fn failure(error: &ConfigError) -> Failure {
    Failure::new(Exit::Usage, error.to_string()).hint("leaseq config template")
}

impl Args for ServerOptions {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .env("LEASEQ_CONFIG")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("A TOML file with any of these options (see `leaseq config template`)");
        options()
            .iter()
            .filter_map(argument)
            .fold(command.arg(file), Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServerOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Layer::new();
        for spec in options() {
            let Some(flag) = spec.flag else { continue };
            if let Some(value) = matches.get_one::<String>(flag) {
                flags
                    .set(spec.key, value.clone())
                    .map_err(|error| Error::raw(clap::error::ErrorKind::InvalidValue, error))?;
            }
        }
        let file = matches.get_one::<PathBuf>(CONFIG).cloned();
        Ok(Self { flags, file })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of one option. Its value is read by the configuration, which knows the bounds and can
/// say where a bad one came from.
fn argument(spec: &'static OptionSpec) -> Option<Arg> {
    let flag = spec.flag?;
    let argument = Arg::new(flag)
        .long(flag)
        .action(ArgAction::Set)
        .value_name(value_name(&spec.kind))
        .help(help(spec))
        .help_heading(heading(spec))
        // The short help is for those who want to start a server, not to tune one.
        .hide_short_help(matches!(
            spec.section(),
            Some("limits" | "http2" | "metrics" | "queue")
        ));
    Some(match spec.kind {
        Kind::Switch => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => argument,
    })
}

fn help(spec: &OptionSpec) -> String {
    let default = match spec.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    format!("{}{default} [env: {}]", spec.help, spec.env)
}

fn heading(spec: &OptionSpec) -> &'static str {
    match spec.section() {
        None => "Server",
        Some("tls") => "TLS",
        Some("queue") => "Queues that a put creates",
        Some("limits") => "Limits",
        Some("http2") => "HTTP/2",
        Some("log") => "Logs",
        Some("metrics") => "Metrics",
        Some(other) => other,
    }
}

fn value_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Address | Kind::AddressOrOff => "ADDR",
        Kind::Path => "PATH",
        Kind::Choice(_) => "WORD",
        Kind::Sync => "POLICY",
        Kind::Switch => "BOOL",
        Kind::Bytes { .. } => "SIZE",
        Kind::Count { .. } => "N",
        Kind::Factor { .. } => "FACTOR",
        Kind::Duration { .. } => "DURATION",
        Kind::Secret => "KEY",
    }
}
