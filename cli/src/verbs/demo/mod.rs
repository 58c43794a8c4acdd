//! `leaseq demo`: a master, three workers and a server, each a process; one worker and the server
//! are killed; every job gives exactly one result.

mod cast;
mod master;
mod stage;
mod tally;
pub(crate) mod worker;

use std::time::{Duration, Instant};

use clap::Args;
use leaseq_client::{Client, WaitUntil};
use serde_json::json;
use tokio::sync::mpsc;

use crate::child::{ChildServer, Scratch};
use crate::connect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format};
use crate::{platform, values};
use cast::{Cue, WorkerProcess};
use master::Arrival;
use stage::Stage;
use tally::{Answer, Tally};

/// See it work: jobs, workers, and two kills that lose nothing
///
/// Starts a server of its own on a temporary directory, puts jobs, and runs three workers. Kills a
/// worker in the middle of a job and the server in the middle of everything, both the hard way,
/// and counts the results. Exit code 1 if one is missing or came twice.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many jobs
    #[arg(long, value_name = "N", default_value = "60", value_parser = values::positive_count)]
    jobs: u64,
    /// How long a worker takes for one job
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = values::duration)]
    pause: Duration,
}

const WORKERS: usize = 3;
/// The worker that is killed.
const VICTIM: usize = 1;
/// How long the server stays away.
const AWAY: Duration = Duration::from_secs(1);
/// A server that has just been started answers within this, or never.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// The whole play takes less, or something is wrong.
const PLAY_TIME_MAX: Duration = Duration::from_secs(120);
/// After the last result: would there be another?
const ENCORE: Duration = Duration::from_millis(800);

impl Demo {
    pub(crate) async fn run(self, format: Format) -> Outcome {
        let play = async {
            tokio::time::timeout(PLAY_TIME_MAX, self.play(format))
                .await
                .unwrap_or_else(|_| Err(Failure::error("the demo takes too long; it has failed")))
        };
        tokio::select! {
            outcome = play => outcome,
            // Every process dies with its handle.
            () = platform::stop_requested() => Err(Failure::error("interrupted")),
        }
    }

    async fn play(&self, format: Format) -> Outcome {
        let stage = Stage::new(format != Format::Table);
        let scratch = Scratch::new("demo", None)?;
        stage.note("A server, a master and three workers; each of them is a process of its own.");
        let mut server = ChildServer::start(scratch.path(), &[])?;
        let client = connect::to_child(&server.addr(), server.authkey());
        let waiting = client.clone().connect_timeout(START_TIME_MAX).build()?;
        let started = waiting.server_info().await;
        started.map_err(|error| server.explain(error.into()))?;
        stage.say(&format!(
            "the server (process {}) listens on {} and keeps its data in {}",
            server.pid().unwrap_or_default(),
            server.addr(),
            scratch.path().display()
        ));

        let client = client.wait_forever().build()?;
        let mut tally = Tally::default();
        for (id, number) in master::put(&client, self.jobs).await?.into_iter().zip(1..) {
            tally.put(id, number);
        }
        stage.say(&format!(
            "the master has put {} on queue \"squares\": one number each, to be squared",
            output::jobs(self.jobs)
        ));
        let (cue_sender, cues) = mpsc::channel(100);
        let workers = cast::hire(&server, WORKERS, self.pause, &cue_sender)?;
        stage.say("three workers lease jobs, square the numbers, and complete them");

        let mut scene = Scene {
            stage,
            tally,
            workers,
            server,
            client,
            lost_job: None,
            server_killed: false,
            recovery: None,
        };
        scene.run(cues).await?;
        scene.check_queue().await?;
        scene.report(format)
    }
}

/// Everyone on stage.
struct Scene {
    stage: Stage,
    tally: Tally,
    workers: Vec<WorkerProcess>,
    server: ChildServer,
    client: Client,
    /// The job that the killed worker had.
    lost_job: Option<LostJob>,
    server_killed: bool,
    /// From the server's second start to its first answer.
    recovery: Option<Duration>,
}

struct LostJob {
    id: String,
    /// Somebody else has it.
    found: bool,
}

impl Scene {
    async fn run(&mut self, mut cues: mpsc::Receiver<Cue>) -> Result<(), Failure> {
        let (sender, mut arrivals) = mpsc::channel(100);
        let mut collector = tokio::spawn(master::collect(self.client.clone(), sender));
        while self.tally.missing_count() > 0 {
            tokio::select! {
                Some(cue) = cues.recv() => self.on_cue(cue).await?,
                Some(arrival) = arrivals.recv() => self.on_arrival(&arrival).await?,
                ended = &mut collector => {
                    return Err(match ended {
                        Ok(Err(failure)) => self.server.explain(failure),
                        _ => Failure::error("the master broke"),
                    });
                }
            }
        }
        self.stage.end();
        // Every job has its result. Does any have two?
        while let Ok(Some(arrival)) = tokio::time::timeout(ENCORE, arrivals.recv()).await {
            self.on_arrival(&arrival).await?;
        }
        collector.abort();
        Ok(())
    }

    async fn on_cue(&mut self, cue: Cue) -> Result<(), Failure> {
        // A third of the results is here: everyone is at work.
        let time_to_kill = cue.worker == VICTIM && self.has_part(1, 3);
        match &mut self.lost_job {
            None if time_to_kill => self.kill_worker(cue).await?,
            Some(lost) if !lost.found && lost.id == cue.leased.job_id => {
                lost.found = true;
                let name = self.workers.get(cue.worker).map(|w| w.name.as_str());
                self.stage.say(&format!(
                    "its lease has ended: {} has leased the job \"{}\", attempt {}",
                    name.unwrap_or("another worker"),
                    cue.leased.number,
                    cue.leased.attempt
                ));
            }
            _ => {}
        }
        Ok(())
    }

    async fn kill_worker(&mut self, cue: Cue) -> Result<(), Failure> {
        let Some(victim) = self.workers.get_mut(cue.worker) else {
            return Ok(());
        };
        let pid = victim.pid();
        victim.kill().await?;
        self.stage.say(&format!(
            "{} has just leased the job \"{}\" and is killed ({} {pid}): it can tell nobody",
            victim.name,
            cue.leased.number,
            platform::KILL,
        ));
        self.lost_job = Some(LostJob {
            id: cue.leased.job_id,
            found: false,
        });
        Ok(())
    }

    async fn on_arrival(&mut self, arrival: &Arrival) -> Result<(), Failure> {
        self.tally.take(&Answer {
            outcome_id: &arrival.outcome_id,
            job_id: &arrival.job_id,
            result: &arrival.result,
            attempts: arrival.attempts,
        });
        self.stage
            .progress(self.tally.answered_count(), self.tally.put_count());
        if !self.server_killed && self.lost_job.is_some() && self.has_part(2, 3) {
            self.kill_server().await?;
        }
        Ok(())
    }

    async fn kill_server(&mut self) -> Result<(), Failure> {
        self.server_killed = true;
        let pid = self.server.pid().unwrap_or_default();
        self.server.kill().await?;
        self.stage.say(&format!(
            "the server is killed ({} {pid}): no warning, nothing flushed",
            platform::KILL
        ));
        self.stage
            .say("master and workers notice, wait, and try to reach it again");
        tokio::time::sleep(AWAY).await;
        self.server.start_again()?;
        let start = Instant::now();
        let answered = self.client.server_info().await;
        answered.map_err(|error| self.server.explain(error.into()))?;
        let recovery = start.elapsed();
        self.recovery = Some(recovery);
        self.stage.say(&format!(
            "started again on the same data, it answers after {} ms; everyone goes on",
            recovery.as_millis()
        ));
        Ok(())
    }

    fn has_part(&self, part: usize, of: usize) -> bool {
        self.tally.answered_count() * of >= self.tally.put_count() * part
    }

    /// Nothing may be left on the queue.
    async fn check_queue(&mut self) -> Result<(), Failure> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let stands = self
            .client
            .wait_queue(worker::QUEUE, WaitUntil::Settled, PATIENCE)
            .await?;
        if stands.done {
            return Ok(());
        }
        Err(Failure::error(format!(
            "every result is here, but queue \"squares\" still has {} ready and {} leased",
            stands.ready, stands.leased
        )))
    }

    fn report(&mut self, format: Format) -> Outcome {
        let tally = &self.tally;
        if format == Format::Json {
            output::json(&json!({
                "jobs": tally.put_count(),
                "results": tally.answered_count(),
                "missing": tally.missing_count(),
                "doubled": tally.doubled_count(),
                "wrong": tally.wrong_count(),
                "repeated_attempts": tally.repeats(),
                "worker_killed": self.lost_job.is_some(),
                "server_killed": self.server_killed,
                "recovery_ms": self.recovery.map(|time| time.as_secs_f64() * 1e3),
                "exact": tally.is_exact(),
            }))?;
        }
        self.stage.say(&format!(
            "{} put, {} results: {} missing, {} twice, {} wrong",
            output::jobs(tally.put_count() as u64),
            tally.answered_count(),
            tally.missing_count(),
            tally.doubled_count(),
            tally.wrong_count(),
        ));
        if !tally.is_exact() {
            return Err(Failure::error("this must not happen; please report it"));
        }
        self.stage.note(&format!(
            "\nEvery job gave exactly one result. {} ran a second time, because whoever ran it \
             first was gone.\n\nNow yourself:  leaseq dev      and in another terminal:  \
             leaseq put jobs hello",
            output::jobs(tally.repeats())
        ));
        Ok(Exit::Ok)
    }
}
