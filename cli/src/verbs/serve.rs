//! `leaseq serve`: the server.

use clap::Args;
use leaseq_server::config::{Config, Resolved};
use leaseq_server::{ServeError, Server, telemetry};
use tokio::io::AsyncReadExt;

use crate::exit::{Exit, Failure, Outcome};
use crate::server_options::ServerOptions;

/// Run the server
///
/// Every option is a flag, an environment variable and a key of the configuration file; flags win
/// over the environment, the environment over the file. `leaseq config print` shows what holds.
/// SIGTERM and ctrl-c drain the server, a second one ends it at once; SIGHUP reads keys and
/// certificates again. The authkey comes from `LEASEQ_AUTHKEY` or a file, never from an argument.
#[derive(Debug, Args)]
#[command(after_help = "-h shows the options for a start, --help all of them")]
pub(crate) struct Serve {
    /// Stop when stdin is closed: for a parent that may die without a word
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
    #[command(flatten)]
    options: ServerOptions,
}

impl Serve {
    pub(crate) async fn run(self) -> Outcome {
        let config = prepare(self.options.resolve()?)?;
        let drain_timeout = config.drain_timeout;
        let server = Server::new(config);
        let ended = if self.stop_with_stdin {
            run_with_stdin(server, drain_timeout).await
        } else {
            leaseq_server::run(server, drain_timeout, |_| {}).await
        };
        ended.map_err(|error| failure(&error))?;
        Ok(Exit::Ok)
    }
}

/// Turns logging on and says what is odd about the configuration.
pub(super) fn prepare(resolved: Resolved) -> Result<Config, Failure> {
    let log = &resolved.config.log;
    telemetry::init(log.level, log.format).map_err(|error| Failure::error(error.to_string()))?;
    for warning in resolved.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(resolved.config)
}

async fn run_with_stdin(
    server: Server,
    drain_timeout: std::time::Duration,
) -> Result<(), ServeError> {
    let running = server.start().await?;
    tokio::select! {
        ended = running.wait() => ended,
        () = stdin_closed() => running.shutdown(drain_timeout).await,
    }
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    // An error is an end, too.
    while stdin.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

/// What kept the server from starting or going on. The sentences are the server's.
pub(super) fn failure(error: &ServeError) -> Failure {
    let exit = match error {
        ServeError::Config(_) | ServeError::Keys(_) | ServeError::Unsafe(_) => Exit::Usage,
        _ => Exit::Error,
    };
    Failure::new(exit, error.to_string())
}
