//! The workers of the demo: real processes, so that one of them can really be killed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;

use super::worker::Leased;
use crate::child::{ChildServer, own_command};
use crate::exit::Failure;
use crate::platform;

/// One worker and its process.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    pub(super) name: String,
    process: Child,
}

/// A worker has leased a job.
#[derive(Debug)]
pub(super) struct Cue {
    /// Which of the workers.
    pub(super) worker: usize,
    pub(super) leased: Leased,
}

/// Starts the workers; what they say arrives as cues.
pub(super) fn hire(
    server: &ChildServer,
    count: usize,
    pause: Duration,
    cues: &mpsc::Sender<Cue>,
) -> Result<Vec<WorkerProcess>, Failure> {
    (0..count)
        .map(|index| start(server, index, pause, cues.clone()))
        .collect()
}

fn start(
    server: &ChildServer,
    index: usize,
    pause: Duration,
    cues: mpsc::Sender<Cue>,
) -> Result<WorkerProcess, Failure> {
    let name = format!("worker-{}", index + 1);
    let mut command = own_command()?;
    command
        .args(["demo-worker", "--name", &name, "--pause"])
        .arg(format!("{}ms", pause.as_millis()))
        .env("LEASEQ_ADDR", server.addr())
        .env("LEASEQ_AUTHKEY", server.authkey())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    platform::shield_from_terminal(&mut command);
    let mut process = command
        .spawn()
        .map_err(|error| Failure::error(format!("cannot start {name}: {error}")))?;
    if let Some(stdout) = process.stdout.take() {
        tokio::spawn(listen(index, stdout, cues));
    }
    Ok(WorkerProcess { name, process })
}

/// Passes on what a worker says until it says no more.
async fn listen(worker: usize, stdout: ChildStdout, cues: mpsc::Sender<Cue>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(leased) = Leased::from_line(&line) else {
            continue;
        };
        if cues.send(Cue { worker, leased }).await.is_err() {
            return;
        }
    }
}

impl WorkerProcess {
    pub(super) fn pid(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// Ends the process on the spot.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        self.process
            .kill()
            .await
            .map_err(|error| Failure::error(format!("cannot kill {}: {error}", self.name)))
    }
}
