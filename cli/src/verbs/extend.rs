//! `leaseq extend`: more time for a job that `leaseq get --keep` leased.

use std::time::{Duration, SystemTime};

use clap::Args;
use leaseq_client::LeaseToken;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::values;

/// Extend a lease, and say how far the work is
///
/// Prints when the lease ends now. If cancellation of the job was asked, says so.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// The token that `leaseq get --keep` printed
    token: LeaseToken,
    /// The lease ends this long after now [default: what it was granted with]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    lease_duration: Option<Duration>,
    /// What `leaseq job show` says of the work
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    progress: String,
    #[command(flatten)]
    connect: Connect,
}

impl Extend {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let extensions = client
            .extend_saying(&[self.token], self.lease_duration, &self.progress)
            .await?;
        let Some(extension) = extensions.into_iter().next() else {
            return Err(Failure::error("the server answered without a status"));
        };
        let extension = extension?;
        match format {
            Format::Json => output::json(&json!({
                "expire_time": extension.expire_time.map(output::moment),
                "cancel_requested": extension.cancel_requested,
            }))?,
            Format::Name => {}
            Format::Table => {
                let end = extension.expire_time.unwrap_or(SystemTime::UNIX_EPOCH);
                output::line(&format!("the lease ends {}", output::moment(end)))?;
                if extension.cancel_requested {
                    output::line("cancellation was asked: stop if you can, and settle")?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}
