//! Log lines, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

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
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        let colour = std::io::stderr().is_terminal();
        lines.with_ansi(colour).with_target(false).boxed()
    };
    let set = registry().with(lines.with_filter(filter(level))).try_init();
    set.map_err(|error| LogError(error.to_string()))?;
    log_panics();
    Ok(())
}

/// Our own lines at `level`; those of the libraries below only when they warn,
/// because theirs show headers, and a header holds the key.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // `leaseq` is a prefix of all our crates.
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target("leaseq", own)
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
