//! `fdatasync` alone: what the disk takes for an append to a file that has its place already. No
//! durable answer can come sooner.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::failure::Result;

/// How long each is measured.
const PROBE_TIME: Duration = Duration::from_millis(500);
/// A segment of the journal; appends begin again at its start.
const FILE_BYTES: u64 = 64 << 20;
/// What is measured: a batch of a single job and one of a hundred, one after the other; and
/// single ones at the rate of the latency scenario. A disk and a processor that have been idle
/// take several times as long.
pub(crate) const PROBES: [Probe; 3] = [
    Probe {
        bytes: 256,
        rate: None,
    },
    Probe {
        bytes: 16 << 10,
        rate: None,
    },
    PACED,
];

/// What a put at 200/s waits for.
pub(crate) const PACED: Probe = Probe {
    bytes: 256,
    rate: Some(200),
};

/// Appends of one size, so many a second; `None`: each when the one before is synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Probe {
    bytes: usize,
    rate: Option<u32>,
}

impl Probe {
    pub(crate) fn name(self) -> String {
        let rate = self.rate.map(|rate| format!(" at {rate}/s"));
        format!("{} B{}", self.bytes, rate.unwrap_or_default())
    }
}

/// How long one takes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Synced {
    #[serde(flatten)]
    pub(crate) probe: Probe,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// Measures all of them in `dir`.
pub(crate) async fn probe(dir: &Path) -> Result<Vec<Synced>> {
    let dir = dir.to_owned();
    let probed = tokio::task::spawn_blocking(move || -> Result<Vec<Synced>> {
        let mut file = tempfile::tempfile_in(dir)?;
        file.write_all(&vec![0; usize::try_from(FILE_BYTES)?])?;
        file.sync_all()?;
        PROBES
            .iter()
            .map(|probe| appends(&mut file, *probe))
            .collect()
    });
    probed.await?
}

#[allow(
    clippy::disallowed_methods,
    reason = "on a thread of its own: a timer of the runtime would add its own wake-ups"
)]
fn appends(file: &mut File, probe: Probe) -> Result<Synced> {
    let content = vec![0x5a; probe.bytes];
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut at = 0;
    let mut due = Instant::now();
    let end = due + PROBE_TIME;
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        file.seek(SeekFrom::Start(at))?;
        let began = Instant::now();
        file.write_all(&content)?;
        file.sync_data()?;
        times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
        at = (at + probe.bytes as u64) % (FILE_BYTES - probe.bytes as u64);
        due = match probe.rate {
            Some(rate) => due + Duration::from_secs(1) / rate,
            None => Instant::now(),
        };
    }
    let micros = |nanos: u64| (nanos / 100) as f64 / 10.0;
    Ok(Synced {
        probe,
        p50_us: micros(times.value_at_quantile(0.5)),
        p99_us: micros(times.value_at_quantile(0.99)),
        max_us: micros(times.max()),
    })
}
