//! Rounds: every subject has its turn, then again.

use clap::Args;

use crate::args::{Common, Times};
use crate::failure::{Failure, Result};
use crate::fdatasync;
use crate::limits::{self, LimitsArgs};
use crate::mixed::{self, MixedArgs};
use crate::report::{Report, Row};
use crate::scenario::{SCENARIOS, Scenario};
use crate::subject::{SUBJECTS, Subject};
use crate::turn::Bench;

/// One scenario.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario
    #[arg(long, value_parser = Scenario::find)]
    scenario: &'static Scenario,
    /// The subjects, in the order of their turns [default: all that are here]
    #[arg(long, value_delimiter = ',', value_parser = Subject::find)]
    peers: Vec<&'static Subject>,
    /// Numbers of masters and as many workers
    #[arg(long, value_delimiter = ',')]
    pairs: Vec<usize>,
    /// Bytes of a payload
    #[arg(long, value_delimiter = ',')]
    payload: Vec<usize>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(args: RunArgs) -> Result<()> {
    let name = args
        .common
        .name
        .as_deref()
        .unwrap_or(args.scenario.name)
        .to_owned();
    let mut report = Report::new(&name, &args.common.leaseq()?);
    rounds(&args, &mut report).await?;
    report.save(&args.common.results)
}

/// Everything, with a result for each scenario, so that a run that is broken off leaves something.
pub(crate) async fn all(common: Common, times: Times) -> Result<()> {
    for scenario in SCENARIOS {
        let args = RunArgs {
            scenario,
            peers: Vec::new(),
            pairs: Vec::new(),
            payload: Vec::new(),
            times,
            common: common.clone(),
        };
        run(args).await?;
    }
    limits::run(LimitsArgs::whole(common.clone(), times)).await?;
    mixed::run(MixedArgs::whole(common)).await
}

async fn rounds(args: &RunArgs, report: &mut Report) -> Result<()> {
    let scenario = args.scenario;
    let bench = Bench {
        leaseq: args.common.leaseq()?,
        data: args.common.data.clone(),
    };
    let subjects = subjects(args, report);
    if subjects.is_empty() {
        return Err(Failure::new("none of the subjects is here"));
    }
    let or = |given: &[usize], usual: &[usize]| match given {
        [] => usual.to_vec(),
        _ => given.to_vec(),
    };
    for pairs in or(&args.pairs, scenario.pairs) {
        for payload in or(&args.payload, scenario.payloads) {
            let load = scenario.load(pairs, payload, args.times.warm_up, args.times.duration);
            let title = scenario.title(&load);
            for round in 1..=args.times.rounds {
                let lock = args.common.lock().await?;
                report.note_fdatasync(fdatasync::probe(&args.common.data).await?);
                drop(lock);
                for subject in &subjects {
                    let lock = args.common.lock().await?;
                    let outcome = bench.turn(scenario, subject, &load).await;
                    drop(lock);
                    report.add(Row::new(&title, subject, round, outcome));
                }
            }
        }
    }
    Ok(())
}

/// Those that were named, or all; those that are not here are noted and left out.
fn subjects(args: &RunArgs, report: &mut Report) -> Vec<&'static Subject> {
    let named = match args.peers.as_slice() {
        [] => SUBJECTS.iter().collect(),
        named => named.to_vec(),
    };
    let (mut subjects, peers): (Vec<&'static Subject>, Vec<&'static Subject>) =
        named.into_iter().partition(|one| one.is_leaseq());
    for peer in peers.into_iter().filter(|_| args.scenario.peers) {
        match peer.program() {
            Ok(_) if !peer.can(args.scenario.shape) => {
                report.note(&format!("{}: cannot do this", peer.name));
            }
            Ok(_) => subjects.push(peer),
            Err(absent) => report.note(&format!("{}: {absent}", peer.name)),
        }
    }
    subjects
}
