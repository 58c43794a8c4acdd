//! The machine the figures are of.

use serde::Serialize;

/// What it is.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    pub(super) memory_gib: u64,
    pub(super) kernel: String,
}

impl Machine {
    pub(super) fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let memory = crate::usage::number(&read("/proc/meminfo"), "MemTotal:");
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: model.map(|(_, model)| model.to_owned()).unwrap_or_default(),
            memory_gib: memory.unwrap_or(0) >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}
