//! Log lines, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

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
    let lines = lines(json, colour, std::io::stderr);
    let set = registry().with(lines.with_filter(filter(level))).try_init();
    set.map_err(|error| LogError(error.to_string()))?;
    log_panics();
    Ok(())
}

/// What writes the lines.
fn lines<W>(json: bool, colour: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(colour).with_target(false).boxed()
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use leaseq_proto::v1::queue_service_client::QueueServiceClient;
    use leaseq_proto::v1::{GetRequest, NewJob, PutRequest};
    use tonic::Request;
    use tonic::transport::Channel;

    use super::*;
    use crate::Server;
    use crate::config::{Config, StoreKind};

    const KEY: &str = "canary-of-the-key-itself";
    const PAYLOAD: &str = "canary-of-the-payload";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn with_key<T>(key: &'static str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authkey", key.parse().unwrap());
        request
    }

    /// Calls of every kind, with a worker's name that would be lines of its own.
    async fn calls() {
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: None,
            store: StoreKind::Memory,
            authkey: Some(KEY.into()),
            ..Config::default()
        };
        let server = Server::new(config).start().await.unwrap();
        server.ready().await.unwrap();
        let addr = format!("http://{}", server.grpc_addr());
        let channel = Channel::from_shared(addr).unwrap().connect().await.unwrap();
        let mut client = QueueServiceClient::new(channel);
        let put = || PutRequest {
            queue: "jobs".to_owned(),
            jobs: vec![NewJob::new(PAYLOAD)],
            ..PutRequest::default()
        };
        client.put(with_key(KEY, put())).await.unwrap();
        client
            .put(with_key("wrong-canary", put()))
            .await
            .unwrap_err();
        let mut strange = put();
        strange.queue = "forged\n\u{1b}[31mline".to_owned();
        client.put(with_key(KEY, strange)).await.unwrap_err();
        let get = GetRequest {
            queue: "jobs".to_owned(),
            worker: "worker\n\u{1b}[31mforged".to_owned(),
            ..GetRequest::default()
        };
        let _ = client.get(with_key(KEY, get)).await;
        drop(client);
        server.shutdown(Duration::from_secs(10)).await.unwrap();
    }

    fn logged(json: bool, level: LogLevel) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = lines(json, true, move || writer.clone());
        let subscriber = registry().with(lines.with_filter(filter(level)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tracing::subscriber::with_default(subscriber, || runtime.block_on(calls()));
        drop(runtime);
        written.text()
    }

    #[test]
    fn no_key_and_no_payload_gets_into_the_log_at_any_level() {
        for json in [true, false] {
            let text = logged(json, LogLevel::Trace);
            assert!(!text.contains("canary"), "{text}");
            // It was written at all, with who called what.
            for part in ["Put", "default", "call refused", "stopped"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn what_callers_send_makes_no_lines_of_its_own() {
        let text = logged(true, LogLevel::Debug);
        assert!(!text.contains('\u{1b}'), "{text}");
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(
                line["level"].is_string() && line["message"].is_string(),
                "{line}"
            );
        }
        let text = logged(false, LogLevel::Debug);
        assert!(
            !text
                .lines()
                .any(|line| line.contains("[31mforged\n") || line.starts_with("\u{1b}[31mline")),
            "{text}"
        );
    }

    #[test]
    fn single_calls_are_quiet_at_the_default_level() {
        let text = logged(false, LogLevel::Info);
        assert!(
            text.contains("leaseq is listening") && text.contains("call refused"),
            "{text}"
        );
        assert!(!text.contains("code=Ok"), "{text}");
    }
}
