//! `leaseq dead ls`: the jobs that were given up.

use clap::Args;
use leaseq_client::JobState;

use crate::connect::Connect;
use crate::exit::Outcome;
use crate::output::Format;
use crate::values;
use crate::verbs::job::ls::{self, List};

/// List dead jobs with their last error
#[derive(Debug, Args)]
#[command(
    after_help = "To look at one: leaseq job show ID. To try again: leaseq dead redrive QUEUE.
To forget them: leaseq queue purge QUEUE --state dead."
)]
pub(crate) struct Ls {
    /// The queue [default: every queue that has dead jobs]
    queue: Option<String>,
    /// At most this many of each queue; 0: all
    #[arg(long, value_name = "N", default_value = "100", value_parser = values::count)]
    limit: u64,
    #[command(flatten)]
    connect: Connect,
}

impl Ls {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let queues = match self.queue {
            Some(queue) => vec![queue],
            None => {
                let queues = client.all_queues().await?.into_iter();
                let with_dead = queues.filter(|queue| queue.stats.dead > 0);
                with_dead.map(|queue| queue.name).collect()
            }
        };
        let mut all = List {
            jobs: Vec::new(),
            more: false,
        };
        for queue in queues {
            let list = ls::list(&client, &queue, Some(JobState::Dead), self.limit).await?;
            all.jobs.extend(list.jobs);
            all.more |= list.more;
        }
        if all.jobs.is_empty() && format == Format::Table {
            eprintln!("no job is dead");
        }
        ls::print(&all, format)
    }
}
