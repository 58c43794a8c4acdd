//! leaseq itself: its own bench makes the load, so that nothing is measured by a second program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use leaseq_client::{Client, ClientBuilder};

use crate::failure::{Failure, Result};
use crate::load::{Form, Kind, Load};
use crate::measured::Measured;
use crate::server::{Place, Server, Spec};

/// The key of the servers that are started here; they are on loopback and gone soon.
pub(crate) const AUTHKEY: &str = "leaseq-bench-key";

/// The binary.
#[derive(Clone, Debug)]
pub(crate) struct Leaseq {
    pub(crate) binary: PathBuf,
}

/// A server that runs already, for a bench that does not start its own.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: String,
    pub(crate) pid: u32,
}

impl Target {
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            addr: server.place().addr(),
            pid: server.pid(),
        }
    }
}

impl Leaseq {
    /// The binary that was named, or the one beside this program.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self> {
        let binary = match named {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()?.with_file_name("leaseq"),
        };
        if !binary.is_file() {
            let path = binary.display();
            return Err(Failure::new(format!(
                "there is no {path}: cargo build --release -p leaseq, or give --leaseq"
            )));
        }
        Ok(Self { binary })
    }

    /// Its version line.
    pub(crate) fn version(&self) -> String {
        let output = std::process::Command::new(&self.binary)
            .arg("--version")
            .output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Runs a load against a server of its own on a directory below `base`.
    pub(crate) async fn measure(&self, load: &Load, sync: &str, base: &Path) -> Result<Measured> {
        let dir = tempfile::Builder::new()
            .prefix("leaseq-bench-")
            .tempdir_in(base)?;
        let mut args = args_of(load);
        args.extend(["--sync", sync, "--data"].map(str::to_owned));
        args.push(dir.path().display().to_string());
        self.bench(&args).await
    }

    /// Runs a load against a server that is there.
    pub(crate) async fn measure_at(&self, load: &Load, target: &Target) -> Result<Measured> {
        self.bench_at(args_of(load), target).await
    }

    /// Puts a backlog into the queue `backlog`.
    pub(crate) async fn fill(
        &self,
        jobs: u64,
        payload: usize,
        target: &Target,
    ) -> Result<Measured> {
        let args = format!("fill --jobs {jobs} --payload {payload} --masters 8 --queue backlog");
        self.bench_at(words(&args), target).await
    }

    /// Runs a load on the queue `backlog`, whatever is in it.
    pub(crate) async fn measure_backlog(&self, load: &Load, target: &Target) -> Result<Measured> {
        let mut args = args_of(load);
        args.extend(words("--queue backlog"));
        self.bench_at(args, target).await
    }

    /// Starts a server with these flags.
    pub(crate) async fn serve(&self, base: &Path, flags: &str) -> Result<Server> {
        let place = Place::new(base)?;
        let data = place.dir().join("data");
        let listen = place.addr();
        let mut args = words(&format!("serve --listen {listen} {flags} --data"));
        args.push(data.display().to_string());
        let spec = Spec::new(&self.binary, &args).env("LEASEQ_AUTHKEY", AUTHKEY);
        Server::start(place, spec).await
    }

    async fn bench_at(&self, mut args: Vec<String>, target: &Target) -> Result<Measured> {
        args.extend(words(&format!(
            "--addr {} --pid {}",
            target.addr, target.pid
        )));
        self.bench(&args).await
    }

    async fn bench(&self, args: &[String]) -> Result<Measured> {
        let child = tokio::process::Command::new(&self.binary)
            .arg("bench")
            .args(args)
            .args(["-o", "json"])
            .env_remove("LEASEQ_ADDR")
            .env("LEASEQ_AUTHKEY", AUTHKEY)
            .kill_on_drop(true)
            .output()
            .await?;
        // A run with errors ends with an exit code that says so, and has its figures all the same.
        serde_json::from_slice(&child.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&child.stderr);
            Failure::new(format!("leaseq bench: {}", said.trim()))
        })
    }
}

/// A client of a server that was started here.
pub(crate) fn client(addr: &str) -> Result<Client> {
    const PATIENCE: Duration = Duration::from_secs(10);
    Ok(to(addr).connect_timeout(PATIENCE).build()?)
}

/// One that waits for nothing: every attempt is its caller's.
pub(crate) fn impatient_client(addr: &str) -> Result<Client> {
    Ok(to(addr).fail_fast().build()?)
}

fn to(addr: &str) -> ClientBuilder {
    Client::builder().address(addr).authkey(AUTHKEY)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn args_of(load: &Load) -> Vec<String> {
    let (pairs, payload, batch) = (load.pairs, load.payload, load.form.batch());
    let outstanding = load.outstanding();
    let mut args = words(&match load.kind {
        Kind::Cycle => format!(
            "roundtrip --masters {pairs} --workers {pairs} --batch {batch} \
             --outstanding {outstanding}"
        ),
        Kind::Put => format!("put --masters {pairs} --batch {batch}"),
        Kind::Latency { rate } => {
            format!("latency --masters {pairs} --workers {pairs} --rate {rate}")
        }
    });
    args.extend(words(&match (load.kind, load.form) {
        (Kind::Latency { .. }, _) | (_, Form::Batch(_)) => String::new(),
        (_, Form::Call) => "--unary".to_owned(),
        (Kind::Cycle, Form::Stream(depth)) => format!("--in-flight {depth} --flow {depth}"),
        (Kind::Put, Form::Stream(depth)) => format!("--in-flight {depth}"),
    }));
    if load.queues > 1 {
        args.extend(words(&format!("--queues {}", load.queues)));
    }
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let (warm_up, duration) = (millis(load.warm_up), millis(load.duration));
    args.extend(words(&format!(
        "--payload {payload} --warm-up {warm_up} --duration {duration}"
    )));
    args
}
