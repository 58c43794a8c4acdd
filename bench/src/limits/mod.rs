//! leaseq beside what it could reach, turn by turn in one run: the same load on a service that
//! does nothing, the journal without gRPC, and the disk alone.

mod journal;
pub(crate) mod noop;
mod noop_admin;
mod noop_session;
mod ratios;
mod ready;

use std::net::SocketAddr;

use clap::Args;

use crate::args::{Common, Times};
use crate::failure::Result;
use crate::fdatasync;
use crate::leaseq::{Leaseq, Target};
use crate::load::{Form, Kind, Load};
use crate::measured::Measured;
use crate::report::{Report, Row};
use crate::server::{Place, Server, Spec};
use crate::turn::Watch;

/// What leaseq is compared with.
#[derive(Clone, Debug, Args)]
pub(crate) struct LimitsArgs {
    /// Masters and as many workers
    #[arg(long, default_value = "64")]
    pairs: usize,
    /// Bytes of a payload
    #[arg(long, default_value = "128")]
    payload: usize,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    common: Common,
}

impl LimitsArgs {
    /// As it is run with everything else.
    pub(crate) fn whole(common: Common, times: Times) -> Self {
        Self {
            pairs: 64,
            payload: 128,
            times,
            common,
        }
    }

    fn load(&self, kind: Kind, form: Form) -> Load {
        let pairs = match kind {
            Kind::Cycle => self.pairs,
            Kind::Put => self.pairs.min(8),
            Kind::Latency { .. } => 1,
        };
        Load {
            kind,
            form,
            pairs,
            payload: self.payload,
            queues: 1,
            warm_up: self.times.warm_up,
            duration: self.times.duration,
        }
    }
}

/// The loads that are compared, and the names that the report has for those that are no load.
struct Loads {
    batch: Load,
    stream: Load,
    call: Load,
    put: Load,
    latency: Load,
}

impl Loads {
    fn new(args: &LimitsArgs) -> Self {
        Self {
            batch: args.load(Kind::Cycle, Form::Batch(100)),
            stream: args.load(Kind::Cycle, Form::Stream(64)),
            call: args.load(Kind::Cycle, Form::Call),
            put: args.load(Kind::Put, Form::Batch(100)),
            latency: args.load(Kind::Latency { rate: 200 }, Form::Call),
        }
    }

    fn all(&self) -> [&Load; 5] {
        [
            &self.batch,
            &self.stream,
            &self.call,
            &self.put,
            &self.latency,
        ]
    }

    /// Jobs in one commit of the journal alone: one message, and all that may be on their way.
    fn commits(&self) -> [usize; 2] {
        let batch = self.batch.form.batch();
        let on_their_way = batch * PUTS_IN_FLIGHT * self.batch.pairs;
        let outstanding = usize::try_from(self.batch.outstanding()).unwrap_or(usize::MAX);
        [batch, on_their_way.min(outstanding)]
    }
}

/// Puts of one master on their way, where `leaseq bench` is not told another number.
const PUTS_IN_FLIGHT: usize = 8;

/// The title of the journal's table.
fn journal_title(jobs: usize) -> String {
    format!("the journal alone, {jobs} jobs in a commit")
}

pub(crate) async fn run(args: LimitsArgs) -> Result<()> {
    let leaseq = args.common.leaseq()?;
    let name = args.common.name.as_deref().unwrap_or("limits");
    let mut report = Report::new(name, &leaseq);
    let loads = Loads::new(&args);
    let data = &args.common.data;
    for round in 1..=args.times.rounds {
        let lock = args.common.lock().await?;
        report.note_fdatasync(fdatasync::probe(data).await?);
        drop(lock);
        for load in loads.all() {
            let lock = args.common.lock().await?;
            let own = watched(leaseq.measure(load, "always", data)).await;
            let noop = watched(noop_turn(&leaseq, load, &args)).await;
            drop(lock);
            let title = load.name();
            let words = ("leaseq, --sync always", "always");
            report.add(Row::named(&title, "leaseq", words, round, own));
            let words = ("a service that does nothing", "none");
            report.add(Row::named(&title, "noop", words, round, noop));
        }
        for jobs in loads.commits() {
            let lock = args.common.lock().await?;
            let turn = journal::measure(data, jobs, args.payload, args.times.duration);
            let measured = watched(turn).await;
            drop(lock);
            let words = ("leaseq's journal, one thread", "always");
            report.add(Row::named(
                &journal_title(jobs),
                "journal",
                words,
                round,
                measured,
            ));
        }
    }
    ratios::add(&mut report, &loads);
    report.save(&args.common.results)
}

/// Says as well how busy the rest of the machine was.
async fn watched(turn: impl Future<Output = Result<Measured>>) -> Result<Measured> {
    let watch = Watch::start();
    let mut measured = turn.await?;
    measured.others_cores = watch.others_cores();
    Ok(measured)
}

async fn noop_turn(leaseq: &Leaseq, load: &Load, args: &LimitsArgs) -> Result<Measured> {
    let place = Place::new(&args.common.data)?;
    let listen: SocketAddr = place.addr().parse()?;
    let program = std::env::current_exe()?;
    let spec = Spec::new(program, &["noop", "--listen", &listen.to_string()]);
    let server = Server::start(place, spec).await?;
    leaseq.measure_at(load, &Target::of(&server)).await
}
