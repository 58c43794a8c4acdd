//! What can be typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::failure::Result;
use crate::leaseq::Leaseq;
use crate::limits::LimitsArgs;
use crate::mixed::MixedArgs;
use crate::run::RunArgs;
use crate::{limits, mixed, run, scenario, subject};

/// Measures leaseq beside its peers and beside its own limits.
#[derive(Debug, Parser)]
#[command(name = "leaseq-bench", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every scenario with every subject, then the limits: takes hours
    All(AllArgs),
    /// One scenario, with the subjects and sizes that are named
    Run(RunArgs),
    /// leaseq beside what it could reach: a service that does nothing, its journal alone, the disk
    Limits(LimitsArgs),
    /// Every rule of the queue at once for minutes; shows whether it sags or stalls
    Mixed(MixedArgs),
    /// Names of scenarios and subjects, and which subjects are here
    List,
    /// The service that does nothing; `limits` starts it
    #[command(hide = true)]
    Noop {
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
}

#[derive(Debug, Args)]
struct AllArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    times: Times,
}

/// What every measurement needs to know.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The leaseq binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    leaseq: Option<PathBuf>,
    /// Where servers keep their data, on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub(crate) data: PathBuf,
    /// Where the result goes
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    pub(crate) results: PathBuf,
    /// The result's name, behind the date
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Hold this file's lock during each turn, so that several who measure take turns
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

impl Common {
    pub(crate) fn leaseq(&self) -> Result<Leaseq> {
        Leaseq::find(self.leaseq.as_deref())
    }

    /// Holds the lock, if there is one, until the file is dropped.
    pub(crate) async fn lock(&self) -> Result<Option<std::fs::File>> {
        let Some(path) = self.lock.clone() else {
            return Ok(None);
        };
        let locked = tokio::task::spawn_blocking(move || lock(&path)).await?;
        Ok(Some(locked?))
    }
}

fn lock(path: &Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// How often and how long.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Times {
    /// How many turns each subject gets
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long a turn is measured
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long its load runs before that
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) warm_up: Duration,
}

pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

pub(crate) async fn run() -> Result<()> {
    match Cli::parse().verb {
        Verb::All(all) => run::all(all.common, all.times).await,
        Verb::Run(args) => run::run(args).await,
        Verb::Limits(args) => limits::run(args).await,
        Verb::Mixed(args) => mixed::run(args).await,
        Verb::Noop { listen } => limits::noop::serve(listen).await,
        Verb::List => {
            list();
            Ok(())
        }
    }
}

fn list() {
    println!("scenarios");
    for scenario in scenario::SCENARIOS {
        println!("  {:<22} {}", scenario.name, scenario.what);
    }
    println!("subjects");
    for subject in subject::SUBJECTS {
        let here = match subject.program() {
            _ if subject.is_leaseq() => String::new(),
            Ok(_) => String::new(),
            Err(absent) => format!(" [{absent}]"),
        };
        println!("  {:<22} {}{here}", subject.name, subject.what);
    }
}
