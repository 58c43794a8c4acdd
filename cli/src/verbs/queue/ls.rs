//! `leaseq queue ls`: all queues and how they stand.

use std::time::SystemTime;

use clap::Args;
use leaseq_client::QueueInfo;
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format};
use crate::show;

/// List the queues and how they stand
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    connect: Connect,
}

impl Ls {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let queues = client.all_queues().await?;
        match format {
            Format::Json => {
                let queues: Vec<_> = queues.iter().map(show::queue_json).collect();
                output::json(&json!({ "queues": queues }))?;
            }
            Format::Name => {
                for queue in &queues {
                    output::line(&queue.name)?;
                }
            }
            Format::Table if queues.is_empty() => {
                eprintln!("there is no queue yet; the first put makes one: leaseq put jobs hello");
            }
            Format::Table => output::line(&table(&queues))?,
        }
        Ok(Exit::Ok)
    }
}

fn table(queues: &[QueueInfo]) -> String {
    let now = SystemTime::now();
    let rows = queues.iter().map(|queue| {
        let stats = &queue.stats;
        [
            queue.name.clone(),
            show::state_of(queue).to_owned(),
            output::grouped(stats.ready),
            output::grouped(stats.scheduled),
            output::grouped(stats.leased),
            output::grouped(stats.dead),
            stats
                .oldest_ready_put_time
                .map_or_else(|| "-".to_owned(), |time| output::age(time, now)),
            output::bytes(stats.size_bytes),
            output::grouped(stats.waiting),
        ]
    });
    let headings = [
        "QUEUE",
        "STATE",
        "READY",
        "SCHEDULED",
        "LEASED",
        "DEAD",
        "OLDEST",
        "SIZE",
        "WORKERS WAITING",
    ];
    output::table(headings, rows.collect())
}
