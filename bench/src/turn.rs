//! One turn: a subject, a scenario, a fresh server, one measurement.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::leaseq::Leaseq;
use crate::load::{Form, Kind, Load};
use crate::measured::Measured;
use crate::scenario::{Scenario, Shape};
use crate::subject::Subject;
use crate::{backlog, idle, usage};

/// What all turns of a run share.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) leaseq: Leaseq,
    pub(crate) data: std::path::PathBuf,
}

impl Bench {
    /// Measures; says as well how busy the rest of the machine was meanwhile.
    pub(crate) async fn turn(
        &self,
        scenario: &Scenario,
        subject: &Subject,
        load: &Load,
    ) -> Result<Measured> {
        let watch = Watch::start();
        let mut measured = match scenario.shape {
            Shape::Plain(..) => self.load(subject, load).await?,
            Shape::HalfRate => self.half_rate(subject, load).await?,
            Shape::Backlog(jobs) => backlog::turn(self, subject, load, jobs).await?,
            Shape::Idle(sessions) => idle::turn(self, sessions, load.duration).await?,
        };
        measured.others_cores = watch.others_cores();
        Ok(measured)
    }

    async fn load(&self, subject: &Subject, load: &Load) -> Result<Measured> {
        if subject.is_leaseq() {
            return self
                .leaseq
                .measure(load, sync_of(subject), &self.data)
                .await;
        }
        peer_load(subject, load, &self.data).await
    }

    async fn half_rate(&self, subject: &Subject, load: &Load) -> Result<Measured> {
        // Single jobs on a stream for leaseq; a peer's connection has one put on its way there.
        let form = if subject.is_leaseq() {
            load.form
        } else {
            Form::Call
        };
        let load = &Load {
            form,
            ..load.clone()
        };
        let most = self.load(subject, load).await?.jobs_per_s;
        if most < 2.0 {
            return Err(Failure::new("the maximum could not be measured"));
        }
        // Whole jobs a second: nothing is lost by cutting the rest off.
        let rate = (most / 2.0) as u64;
        let kind = Kind::Latency { rate };
        self.load(
            subject,
            &Load {
                kind,
                ..load.clone()
            },
        )
        .await
    }
}

/// The sync policy that the subject is.
pub(crate) fn sync_of(subject: &Subject) -> &'static str {
    match subject.name {
        "leaseq-os" => "os",
        _ => "always",
    }
}

#[cfg(feature = "peers")]
async fn peer_load(subject: &Subject, load: &Load, data: &Path) -> Result<Measured> {
    crate::peers::measure(subject, load, data).await
}

#[cfg(not(feature = "peers"))]
async fn peer_load(subject: &Subject, _load: &Load, _data: &Path) -> Result<Measured> {
    Err(Failure::new(match subject.program() {
        Err(absent) => absent,
        Ok(_) => "absent: build with --features peers".to_owned(),
    }))
}

/// Tells our own processes from everybody else's.
pub(crate) struct Watch {
    machine: std::time::Duration,
    own: usage::Usage,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            machine: usage::machine_cpu(),
            own: usage::Usage::of(std::process::id()),
        }
    }

    pub(crate) fn others_cores(&self) -> f64 {
        let now = Self::start();
        let machine = now.machine.saturating_sub(self.machine);
        let own = now.own.cpu.saturating_sub(self.own.cpu);
        let cores =
            machine.saturating_sub(own).as_secs_f64() / (now.own.at - self.own.at).as_secs_f64();
        (cores * 1_000.0).round() / 1_000.0
    }
}
