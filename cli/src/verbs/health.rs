//! `leaseq health`: whether the server serves. For people, and for a container's HEALTHCHECK.

use std::path::PathBuf;

use clap::Args;
use leaseq_server::config::{Config, Layer};
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::server_options;

/// Ask whether the server serves
///
/// Needs no authkey. Serving: exit code 0. Not reachable, or reachable and not serving (it starts,
/// it drains, its disk has failed): exit code 5.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The service: leaseq.v1.QueueService or leaseq.v1.AdminService [default: the whole server]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    service: String,
    /// Ask the server on this machine through its admin port, found as `leaseq serve` finds it:
    /// LEASEQ_ADMIN_LISTEN, LEASEQ_TLS_CERT and --config. Needs no CA and no client certificate,
    /// and ignores the options of a connection
    #[arg(long, conflicts_with = "service")]
    local: bool,
    /// With --local: the configuration file of the server
    #[arg(long, env = "LEASEQ_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
}

impl Health {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let (address, serving) = if self.local {
            self.ask_admin_port().await?
        } else {
            let client = self.connect.client()?;
            let serving = client.is_serving(&self.service).await?;
            (client.address().to_string(), serving)
        };
        match format {
            Format::Json => output::json(&json!({ "address": address, "serving": serving }))?,
            Format::Name => {}
            Format::Table if serving => output::line(&format!("{address} is serving"))?,
            Format::Table => {}
        }
        if serving {
            return Ok(Exit::Ok);
        }
        Err(Failure::new(
            Exit::Unreachable,
            format!(
                "the server at {address} answers but does not serve: it starts, drains, or its \
                 store has failed; its log says which"
            ),
        ))
    }

    /// The address of the admin port, and whether the server serves.
    async fn ask_admin_port(&self) -> Result<(String, bool), Failure> {
        let environment = Layer::from_process_environment();
        let resolved = Config::resolve(&Layer::new(), &environment, self.config.as_deref())
            .map_err(|error| server_options::failure(&error))?;
        let serving = leaseq_server::is_ready(&resolved.config)
            .await
            .map_err(|error| Failure::new(Exit::Unreachable, error.to_string()))?;
        let address = resolved.config.admin_listen.map(|addr| addr.to_string());
        Ok((address.unwrap_or_default(), serving))
    }
}
