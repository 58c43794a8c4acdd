//! `leaseq version`: this program's, and on request the server's.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};

/// Print the version
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Ask the server too: its version, store, sync policy and limits
    #[arg(long)]
    server: bool,
    #[command(flatten)]
    connect: Connect,
}

const OURS: &str = env!("CARGO_PKG_VERSION");

impl Version {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let server = if self.server {
            Some(self.connect.client()?.server_info().await?)
        } else {
            None
        };
        let mut facts = vec![("leaseq", OURS.to_owned())];
        let mut object = Map::from_iter([("version".to_owned(), Value::from(OURS))]);
        if let Some(server) = server {
            let limits = server.limits;
            let started = server.start_time.map(output::moment);
            object.insert(
                "server".to_owned(),
                json!({
                    "version": server.version,
                    "store": server.store,
                    "sync": server.sync,
                    "start_time": started,
                    "auto_create_queues": server.auto_create_queues,
                    "payload_bytes_max": limits.payload_bytes_max,
                    "batch_jobs_max": limits.batch_jobs_max,
                    "request_bytes_max": limits.request_bytes_max,
                }),
            );
            facts.extend([
                ("server", server.version),
                ("store", server.store),
                ("sync", server.sync),
                ("started", started.unwrap_or_default()),
                ("largest payload", output::bytes(limits.payload_bytes_max)),
                ("largest request", output::bytes(limits.request_bytes_max)),
                ("jobs in one call", limits.batch_jobs_max.to_string()),
            ]);
        }
        match format {
            Format::Json => output::json(&Value::Object(object))?,
            Format::Name => output::line(OURS)?,
            Format::Table if self.server => output::line(&output::facts(&facts))?,
            Format::Table => output::line(&format!("leaseq {OURS}"))?,
        }
        Ok(Exit::Ok)
    }
}
