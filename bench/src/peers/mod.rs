//! The peers: how each is started with its best setting, and how its own client puts, takes and
//! acknowledges. The words here are theirs.

mod beanstalkd;
mod drive;
mod nats;
mod pace;
mod payload;
mod postgres;
mod python;
mod rabbitmq;
mod redis;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::backlog::{ATTEMPT_PAUSE, FIRST_LEASE_MAX, Footprint, SETTLE_TIME};
use crate::failure::{Failure, Result};
use crate::load::{Form, Kind, Load};
use crate::measured::{Extra, Measured};
use crate::server::{Place, Server, Spec};
use crate::subject::Subject;

pub(crate) type Fut<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A server that listens but is not ready gets this long.
const READY_TIME_MAX: Duration = Duration::from_secs(30);
/// The connections that fill a backlog, and the jobs in one of their messages.
const FILL: (usize, usize) = (8, 100);

/// A peer that cannot be filled within this is left out: with a sync for each of ten million
/// jobs it would be at it for most of an hour, in each round.
const FILL_TIME_MAX: Duration = Duration::from_secs(600);

/// Which side of a queue a connection is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Role {
    Master,
    /// And how many jobs it takes at once.
    Worker(usize),
}

/// One peer with one setting, on one port.
pub(crate) trait Peer: Send + Sync {
    /// Prepares the directory, and says how the server is started on it.
    fn spec(&self, place: &Place) -> Result<Spec>;

    /// Makes an empty queue. Fails while the server is not ready.
    fn set_up(&self) -> Fut<'_, ()>;

    /// A connection; the number sets it apart from the others.
    fn connect(&self, role: Role, number: usize, form: Form) -> Fut<'_, Box<dyn Conn>>;

    /// The form that serves it best where it has not quite the one that is asked for.
    fn form(&self, form: Form) -> Form {
        form
    }

    /// The number of pairs it can stand.
    fn pairs(&self, pairs: usize) -> usize {
        pairs
    }

    /// Makes the load with a program of its own, if no Rust client exists.
    fn load<'a>(&'a self, _load: &'a Load, _pid: u32) -> Option<Fut<'a, Measured>> {
        None
    }
}

/// One connection, seen as a job queue.
pub(crate) trait Conn: Send {
    /// Puts all jobs; returns when every one is acknowledged by the server.
    fn put(&mut self, jobs: Vec<Bytes>) -> Fut<'_, ()>;

    /// Takes from 1 to `most` jobs; none after about one second without any.
    fn take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>>;

    /// Acknowledges every job that was taken.
    fn ack(&mut self) -> Fut<'_, ()>;

    /// Both; whoever can do them in one round trip does.
    fn ack_take(&mut self, most: usize) -> Fut<'_, Vec<Bytes>> {
        Box::pin(async move {
            self.ack().await?;
            self.take(most).await
        })
    }
}

fn open(name: &str, program: PathBuf, port: u16) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "beanstalkd" => Box::new(beanstalkd::Beanstalkd::new(program, port, false)),
        "beanstalkd-f0" => Box::new(beanstalkd::Beanstalkd::new(program, port, true)),
        "nats" => Box::new(nats::Nats::new(program, port, true)),
        "nats-plain" => Box::new(nats::Nats::new(program, port, false)),
        "rabbitmq" => Box::new(rabbitmq::Rabbit::new(program, port)?),
        "postgres" => Box::new(postgres::Postgres::new(program, port, true)),
        "postgres-column" => Box::new(postgres::Postgres::new(program, port, false)),
        "python" => Box::new(python::Python::new(program, port)),
        other => {
            let redis = redis::Redis::new(program, port, other);
            Box::new(redis.ok_or_else(|| Failure::new(format!("{other} is no peer")))?)
        }
    })
}

/// A peer with its server.
struct Running {
    peer: Box<dyn Peer>,
    server: Server,
}

impl Running {
    async fn start(subject: &Subject, data: &Path) -> Result<Self> {
        let program = subject.program().map_err(Failure::new)?;
        let place = Place::new(data)?;
        let peer = open(subject.name, program, place.port)?;
        let spec = peer.spec(&place)?;
        let server = Server::start(place, spec).await?;
        let end = Instant::now() + READY_TIME_MAX;
        while let Err(failure) = peer.set_up().await {
            if Instant::now() > end {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { peer, server })
    }

    async fn load(&self, load: &Load) -> Result<Measured> {
        let load = Load {
            form: self.peer.form(load.form),
            pairs: self.peer.pairs(load.pairs),
            ..load.clone()
        };
        let pid = self.server.pid();
        match self.peer.load(&load, pid) {
            Some(measured) => measured.await,
            None => drive::drive(&*self.peer, &load, pid, None).await,
        }
    }

    async fn fill(&self, load: &Load, jobs: u64) -> Result<Measured> {
        let load = Load {
            kind: Kind::Put,
            form: self.peer.form(Form::Batch(FILL.1)),
            pairs: FILL.0,
            ..load.clone()
        };
        let filled = drive::drive(&*self.peer, &load, self.server.pid(), Some(jobs));
        tokio::time::timeout(FILL_TIME_MAX, filled)
            .await
            .unwrap_or_else(|_| {
                let minutes = FILL_TIME_MAX.as_secs() / 60;
                Err(Failure::new(format!(
                    "{jobs} jobs could not be put in {minutes} minutes"
                )))
            })
    }

    /// Kills it and starts it again; gives the seconds to the first job.
    async fn restart_if(&mut self, survives: bool) -> Result<Option<f64>> {
        if !survives {
            return Ok(None);
        }
        self.server.kill();
        self.server.start_again()?;
        Ok(Some(self.first_lease().await?.as_secs_f64()))
    }

    /// From the start of the process to the first job in a worker's hands.
    async fn first_lease(&self) -> Result<Duration> {
        while self.server.started.elapsed() < FIRST_LEASE_MAX {
            let attempt = async {
                let mut conn = self.peer.connect(Role::Worker(1), 0, Form::Call).await?;
                conn.take(1).await
            };
            let attempt = tokio::time::timeout(Duration::from_secs(50), attempt).await;
            if matches!(attempt, Ok(Ok(jobs)) if !jobs.is_empty()) {
                return Ok(self.server.started.elapsed());
            }
            tokio::time::sleep(ATTEMPT_PAUSE).await;
        }
        Err(Failure::new("no job was taken after the restart"))
    }
}

/// Runs a load against a fresh server.
pub(crate) async fn measure(subject: &Subject, load: &Load, data: &Path) -> Result<Measured> {
    Running::start(subject, data).await?.load(load).await
}

/// Fills a fresh server, measures, kills it, starts it again. A peer that keeps its jobs in memory
/// has no restart to measure.
pub(crate) async fn backlog(
    subject: &Subject,
    load: &Load,
    jobs: u64,
    data: &Path,
) -> Result<Measured> {
    use crate::subject::Durability;

    let mut running = Running::start(subject, data).await?;
    let empty = running.load(load).await?;
    let before = Footprint::of(&running.server);
    let filled = running.fill(load, jobs).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let after = Footprint::of(&running.server);
    let survives = subject.durability != Durability::Memory;
    let first_lease_s = running.restart_if(survives).await?;
    let mut measured = running.load(load).await?;
    measured.extra = Extra {
        backlog: Some(jobs),
        empty_jobs_per_s: Some(empty.jobs_per_s),
        fill_jobs_per_s: Some(filled.jobs_per_s),
        first_lease_s,
        first_lease_loaded_s: running.restart_if(survives).await?,
        ..after.since(before, jobs)
    };
    Ok(measured)
}
