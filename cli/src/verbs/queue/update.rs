//! `leaseq queue update`: other settings for a queue.

use std::time::SystemTime;

use clap::Args;
use leaseq_client::QueueSettings;

use super::settings::Settings;
use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::show;

/// Change the settings of a queue
///
/// Only what is given changes. It holds for jobs put from now on, --max-jobs at once.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The queue
    queue: String,
    #[command(flatten)]
    settings: Settings,
    /// Refuse if somebody changed the settings since this etag was read (`queue show -o json`)
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

impl Update {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let mut settings = QueueSettings::from(self.settings);
        if settings == QueueSettings::default() {
            return Err(Failure::usage("no setting is given")
                .hint("leaseq queue update QUEUE --max-attempts 5"));
        }
        let mut etag = self.etag;
        if let Some(retry) = &mut settings.retry {
            // The API knows the retry policy only as a whole: fill in what is not given, and make
            // sure that nobody changes it meanwhile.
            let present = client.get_queue(&self.queue).await?;
            let old = present.settings.retry.unwrap_or_default();
            retry.initial_delay = retry.initial_delay.or(old.initial_delay);
            retry.max_delay = retry.max_delay.or(old.max_delay);
            retry.multiplier = retry.multiplier.or(old.multiplier);
            retry.jitter = retry.jitter.or(old.jitter);
            etag = etag.or(Some(present.etag));
        }
        let queue = client
            .update_queue(&self.queue, settings, etag.as_deref())
            .await?;
        match format {
            Format::Json => output::json(&show::queue_json(&queue))?,
            Format::Name => output::line(&queue.name)?,
            Format::Table => output::line(&show::queue_facts(&queue, SystemTime::now()))?,
        }
        Ok(Exit::Ok)
    }
}
