//! Python's `multiprocessing.managers`, driven by Python processes: `bench/peers/manager.py`.
//! There is no acknowledgement: `get` gives the job away, so the life cycle is put and get.

use std::path::PathBuf;
use std::time::Duration;

use super::{Conn, Fut, Peer, Role};
use crate::failure::{Failure, Result};
use crate::load::{Form, Kind, Load};
use crate::measured::Measured;
use crate::server::{Place, Spec};

const SCRIPT: &str = include_str!("../../peers/manager.py");
/// Each is a process; with many more it does not end.
const PAIRS_MAX: usize = 8;

pub(super) struct Python {
    program: PathBuf,
    port: u16,
}

impl Python {
    pub(super) fn new(program: PathBuf, port: u16) -> Self {
        Self { program, port }
    }
}

impl Peer for Python {
    fn spec(&self, _: &Place) -> Result<Spec> {
        let port = self.port.to_string();
        Ok(Spec::new(&self.program, &["-c", SCRIPT, "serve", &port]))
    }

    fn set_up(&self) -> Fut<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn connect(&self, _: Role, _: usize, _: Form) -> Fut<'_, Box<dyn Conn>> {
        Box::pin(async { Err(Failure::new("has no client but its own")) })
    }

    fn pairs(&self, pairs: usize) -> usize {
        pairs.min(PAIRS_MAX)
    }

    fn load<'a>(&'a self, load: &'a Load, pid: u32) -> Option<Fut<'a, Measured>> {
        let (kind, rate) = match load.kind {
            Kind::Cycle => ("cycle", 0),
            Kind::Put => ("put", 0),
            Kind::Latency { rate } => ("latency", rate),
        };
        let seconds = |time: Duration| time.as_secs_f64().to_string();
        let args = [
            kind.to_owned(),
            self.port.to_string(),
            pid.to_string(),
            load.pairs.to_string(),
            load.payload.to_string(),
            rate.to_string(),
            seconds(load.warm_up),
            seconds(load.duration),
        ];
        Some(Box::pin(async move {
            let output = tokio::process::Command::new(&self.program)
                .args(["-c", SCRIPT])
                .args(args)
                .kill_on_drop(true)
                .output();
            let limit = load.warm_up + load.duration + Duration::from_secs(30);
            let output = tokio::time::timeout(limit, output).await??;
            serde_json::from_slice(&output.stdout).map_err(|_| {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or_default();
                Failure::new(format!("manager.py: {last}"))
            })
        }))
    }
}
