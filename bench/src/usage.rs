//! What a tree of processes uses, from /proc: processor time and memory; and what disks were given.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

/// The unit of processor times in /proc: 100 per second on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// What a tree had used by some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    pub(crate) cpu: Duration,
    /// By the whole machine.
    pub(crate) written: u64,
}

impl Usage {
    /// Of `root` and everything below it, children that have ended included.
    pub(crate) fn of(root: u32) -> Self {
        let tree = tree(root);
        Self {
            at: Instant::now(),
            cpu: tree.values().map(|stat| stat.own + stat.ended).sum(),
            written: disk_writes().unwrap_or_default(),
        }
    }
}

/// Processor time of this process, without its children.
#[cfg(feature = "peers")]
pub(crate) fn own_cpu() -> Duration {
    stat(std::process::id()).map_or(Duration::ZERO, |stat| stat.own)
}

/// The processes of a tree, the root included.
pub(crate) fn members(root: u32) -> Vec<u32> {
    tree(root).into_keys().collect()
}

/// Memory of the tree, pages that several share counted once.
pub(crate) fn memory(root: u32) -> u64 {
    let of = |pid| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        number(&rollup, "Pss:").unwrap_or(0) * 1024
    };
    members(root).into_iter().map(of).sum()
}

/// Processor time that the whole machine has spent on anything.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    // cpu user nice system idle iowait irq softirq: idle and iowait are not work.
    let fields = first.split_whitespace().skip(1);
    let ticks: Vec<u32> = fields.filter_map(|field| field.parse().ok()).collect();
    let busy = [0, 1, 2, 5, 6].into_iter().filter_map(|at| ticks.get(at));
    busy.map(|ticks| TICK * *ticks).sum()
}

struct Stat {
    parent: u32,
    own: Duration,
    ended: Duration,
}

fn tree(root: u32) -> HashMap<u32, Stat> {
    let Ok(folders) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let pids = folders.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let mut all: HashMap<u32, Stat> = pids.filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut kept = HashSet::from([root]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, stat)| !kept.contains(pid) && kept.contains(&stat.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        kept.extend(more);
    }
    all.retain(|pid, _| kept.contains(pid));
    all
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold blanks and brackets; what follows the last one is regular.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| Some(TICK * fields.get(at)?.parse::<u32>().ok()?);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        ended: ticks(13)? + ticks(14)?,
    })
}

/// Bytes that the disks of this machine were given so far, by whoever. What a process is said
/// to have written is no measure of that: a page cache in large pieces counts a whole piece for
/// each byte that is changed.
fn disk_writes() -> Option<u64> {
    // Not the layers over other disks, nor disks in memory.
    const NO_DISKS: [&str; 5] = ["dm-", "md", "loop", "ram", "zram"];
    // Bytes of a sector in these statistics, whatever the disk's own are.
    const SECTOR: u64 = 512;
    let disks = fs::read_dir("/sys/block").ok()?.flatten();
    let written = disks.filter_map(|disk| {
        let name = disk.file_name().into_string().ok()?;
        if NO_DISKS.iter().any(|other| name.starts_with(other)) {
            return None;
        }
        let stat = fs::read_to_string(disk.path().join("stat")).ok()?;
        stat.split_whitespace().nth(6)?.parse::<u64>().ok()
    });
    Some(written.sum::<u64>() * SECTOR)
}

/// The number behind `name` at the beginning of a line.
pub(crate) fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Bytes of all files below a directory, as the disk holds them.
pub(crate) fn disk_bytes(dir: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_its_own_tree() {
        let own = std::process::id();
        assert!(members(own).contains(&own));
        assert!(memory(own) > 0);
        assert!(machine_cpu() >= Usage::of(own).cpu);
    }
}
