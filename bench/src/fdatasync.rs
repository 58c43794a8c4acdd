//! `fdatasync` alone: what the disk takes for an append to a file that has its place already. No
//! durable answer can come sooner.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::failure::Result;

/// How long one size is measured.
const PROBE_TIME: Duration = Duration::from_millis(500);
/// A segment of the journal; appends begin again at its start.
const FILE_BYTES: u64 = 64 << 20;
/// A batch of a single job, and one of a hundred.
const SIZES: [usize; 2] = [256, 16 << 10];

/// How long one size takes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Synced {
    pub(crate) bytes: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// Measures all sizes in `dir`.
pub(crate) async fn probe(dir: &Path) -> Result<Vec<Synced>> {
    let dir = dir.to_owned();
    let probed = tokio::task::spawn_blocking(move || -> Result<Vec<Synced>> {
        let mut file = tempfile::tempfile_in(dir)?;
        file.write_all(&vec![0; usize::try_from(FILE_BYTES)?])?;
        file.sync_all()?;
        SIZES
            .iter()
            .map(|bytes| appends(&mut file, *bytes))
            .collect()
    });
    probed.await?
}

fn appends(file: &mut File, bytes: usize) -> Result<Synced> {
    let content = vec![0x5a; bytes];
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut at = 0;
    let end = Instant::now() + PROBE_TIME;
    while Instant::now() < end {
        file.seek(SeekFrom::Start(at))?;
        let began = Instant::now();
        file.write_all(&content)?;
        file.sync_data()?;
        times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
        at = (at + bytes as u64) % (FILE_BYTES - bytes as u64);
    }
    let micros = |nanos: u64| (nanos / 100) as f64 / 10.0;
    Ok(Synced {
        bytes,
        p50_us: micros(times.value_at_quantile(0.5)),
        p99_us: micros(times.value_at_quantile(0.99)),
        max_us: micros(times.max()),
    })
}
