//! `leaseq job wait`: the end of one job, and its result.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use leaseq_client::{JobState, JobWait};
use serde_json::{Map, Value, json};

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::{payload, show, values};

/// Wait until a job has ended, and print its result
///
/// The result stands alone on stdout. A job that is dead or cancelled: exit code 1. Not ended in
/// time: exit code 3. A job that ended earlier is known only if it is kept (--retention of `put`,
/// or the queue's result retention).
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The job's id
    id: String,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = values::duration)]
    wait: Duration,
    #[command(flatten)]
    connect: Connect,
}

impl Wait {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let waited = client.wait_job(&self.id, self.wait).await?;
        print_end(&self.id, waited, self.wait, format)
    }
}

/// Prints how a job ended, and turns it into an exit code.
pub(crate) fn print_end(id: &str, waited: JobWait, wait: Duration, format: Format) -> Outcome {
    if format == Format::Json {
        output::json(&to_json(id, &waited))?;
    }
    let Some(finished) = waited.finished else {
        eprintln!(
            "job {id} is still {} after {}",
            waited.state,
            output::duration(wait)
        );
        return Ok(Exit::Empty);
    };
    match finished.into_result() {
        Ok(result) => {
            match format {
                Format::Table => print_result(&result)?,
                Format::Name => output::line(id)?,
                Format::Json => {}
            }
            Ok(Exit::Ok)
        }
        Err(outcome) => {
            let failure = Failure::error(outcome.to_string());
            Err(match outcome.state {
                JobState::Dead => failure.hint(format!("leaseq dead redrive {}", outcome.queue)),
                _ => failure,
            })
        }
    }
}

fn print_result(result: &[u8]) -> Result<(), Failure> {
    output::raw(result)?;
    if io::stdout().is_terminal() && !result.ends_with(b"\n") {
        output::raw(b"\n")?;
    }
    Ok(())
}

fn to_json(id: &str, waited: &JobWait) -> Value {
    let mut object = Map::new();
    object.insert("job_id".to_owned(), id.into());
    object.insert("state".to_owned(), waited.state.as_str().into());
    let outcome = waited
        .finished
        .as_ref()
        .map(|finished| show::outcome_json(&finished.outcome));
    object.insert("outcome".to_owned(), json!(outcome));
    if let Some(finished) = &waited.finished {
        payload::insert(&mut object, "result", &finished.result);
    }
    Value::Object(object)
}
