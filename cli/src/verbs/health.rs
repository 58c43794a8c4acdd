//! `leaseq health`: whether the server serves. For people, and for a container's HEALTHCHECK.

use clap::Args;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};

/// Ask whether the server serves
///
/// Needs no authkey. Serving: exit code 0. Not reachable, or there and not serving (it starts, it
/// drains, its disk has failed): exit code 5.
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
    #[command(flatten)]
    connect: Connect,
}

impl Health {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let serving = client.is_serving(&self.service).await?;
        let address = client.address();
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
}
