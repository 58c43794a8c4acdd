//! `leaseq settle`: the verdict on a job that `leaseq get --keep` leased.

use std::time::Duration;

use clap::Args;
use leaseq_client::{LeaseToken, Settlement, Verdict};
use serde_json::json;

use crate::connect::Connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::{payload, values};

/// Settle a lease: complete, fail, reject or release the job
///
/// The same verdict can be given again without harm.
#[derive(Debug, Args)]
pub(crate) struct Settle {
    /// The token that `leaseq get --keep` printed
    token: LeaseToken,
    #[command(flatten)]
    verdict: VerdictArgs,
    /// With --fail: try again after this much, whatever the queue's retry policy says
    #[arg(long, value_name = "DURATION", requires = "fail", value_parser = values::duration)]
    retry_delay: Option<Duration>,
    /// With --release: not ready again before this much time has passed
    #[arg(long, value_name = "DURATION", requires = "release", value_parser = values::duration)]
    delay: Option<Duration>,
    #[command(flatten)]
    connect: Connect,
}

/// One of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct VerdictArgs {
    /// The job is done; RESULT is text, - for stdin or @FILE, and may be left out
    #[arg(long, value_name = "RESULT", num_args = 0..=1, default_missing_value = "")]
    complete: Option<String>,
    /// The attempt failed: the job is tried again or, after its last attempt, dead
    #[arg(long, value_name = "ERROR")]
    fail: Option<String>,
    /// The job can never succeed: it is dead now
    #[arg(long, value_name = "ERROR")]
    reject: Option<String>,
    /// Give the job back; the attempt is not counted
    #[arg(long)]
    release: bool,
}

impl Settle {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let client = self.connect.client()?;
        let (verdict, word) = self.verdict()?;
        client
            .settle_one(Settlement::new(self.token.clone(), verdict))
            .await?;
        match format {
            Format::Json => output::json(&json!({ "settled": word }))?,
            Format::Table => output::line(word)?,
            Format::Name => {}
        }
        Ok(Exit::Ok)
    }

    fn verdict(&self) -> Result<(Verdict, &'static str), Failure> {
        let given = &self.verdict;
        if let Some(result) = &given.complete {
            let result = payload::read(result)?;
            return Ok((Verdict::Complete { result }, "completed"));
        }
        if let Some(error) = given.fail.clone() {
            let retry_delay = self.retry_delay;
            return Ok((Verdict::Fail { error, retry_delay }, "failed"));
        }
        if let Some(error) = given.reject.clone() {
            return Ok((Verdict::Reject { error }, "rejected"));
        }
        Ok((Verdict::Release { delay: self.delay }, "released"))
    }
}
