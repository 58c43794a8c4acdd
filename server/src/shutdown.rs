//! Runs a server until it is told to stop or cannot go on.

use std::time::Duration;

use tracing::{error, info};

use crate::os::{Signal, Signals};
use crate::serve::{RunningServer, ServeError, Server};

/// Starts `server` and runs it until a signal or the failure of its store.
/// SIGTERM and SIGINT drain it; a second one ends the drain. SIGHUP reads keys and
/// certificates again. `started` is called once both ports are open.
///
/// # Errors
/// When it cannot start, or its store failed: the process then ends with an exit
/// code that is not 0.
pub async fn run(
    server: Server,
    drain_timeout: Duration,
    started: impl FnOnce(&RunningServer),
) -> Result<(), ServeError> {
    // Before the start, so that a signal during it is not lost.
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let running = server.start().await?;
    started(&running);
    loop {
        tokio::select! {
            biased;
            ended = running.wait() => {
                // Nothing is acknowledged any more: nobody has to be waited for.
                if let Err(reason) = &ended {
                    error!(%reason, "the server cannot go on");
                }
                let closed = running.shutdown(Duration::ZERO).await;
                return ended.and(closed);
            }
            signal = signals.next() => match signal {
                Signal::Reload => running.reload(),
                Signal::Stop(name) => {
                    info!(signal = name, "stopping");
                    return drain(running, drain_timeout, signals).await;
                }
            }
        }
    }
}

async fn drain(
    running: RunningServer,
    drain_timeout: Duration,
    mut signals: Signals,
) -> Result<(), ServeError> {
    let hurry = running.hurry();
    let shutdown = running.shutdown(drain_timeout);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            ended = &mut shutdown => return ended,
            signal = signals.next() => if let Signal::Stop(name) = signal {
                info!(signal = name, "stopping at once");
                hurry.cancel();
            }
        }
    }
}
