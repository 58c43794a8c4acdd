//! Log lines, to standard error.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::throttle::{self, Throttle};
use crate::config::{LogFormat, LogLevel};

/// Logging was set up before.
#[derive(Debug, thiserror::Error)]
#[error("logging was set up before: {0}")]
pub struct LogError(String);

/// Sends the log of this process to standard error: text for people on a terminal,
/// JSON for machines elsewhere, unless told which. Panics become log lines too.
///
/// # Errors
/// When it was called before.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), LogError> {
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let colour = std::io::stderr().is_terminal();
    let throttle = Throttle::new();
    let set = subscriber(json, colour, level, throttle.clone(), std::io::stderr).try_init();
    set.map_err(|error| LogError(error.to_string()))?;
    throttle::install(throttle);
    log_panics();
    Ok(())
}

/// Writes our own lines at `level`, as many of each kind as `throttle` lets through.
fn subscriber<W>(
    json: bool,
    colour: bool,
    level: LogLevel,
    throttle: Throttle,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(colour).with_target(false).boxed()
    };
    // The last one is asked first: only lines that would be written are counted.
    registry().with(lines).with(throttle).with(filter(level))
}

/// Our own lines at `level`. Libraries write nothing: they warn about what peers do, h2 once for
/// each frame of a flood, and their debug lines show headers, which hold keys.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // `leaseq` is a prefix of all our crates.
    Targets::new().with_target("leaseq", own)
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no text");
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, text, %backtrace, "a bug: panicked");
    }));
}

#[cfg(test)]
mod flood;
#[cfg(test)]
mod tests;
