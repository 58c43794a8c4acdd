//! What a process uses, where the system tells.

use std::time::Duration;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) max: u64,
}

/// The processor time of a process (`self` or a number), user and system.
pub(crate) fn cpu_of(process: &str) -> Option<Duration> {
    // The unit of these fields: 100 per second on every Linux that Rust runs on.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name may hold blanks and brackets; what follows the last one is regular.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u32 = fields.nth(11)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// The memory a process has now, and the most it has had.
pub(crate) fn memory_of(process: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kibibytes = |name| Some(number(&status, name)? * 1024);
    Some(Memory {
        now: kibibytes("VmRSS:")?,
        max: kibibytes("VmHWM:")?,
    })
}

/// Bytes that the disks of this machine were given so far, by whoever. What a process is said
/// to have written is no measure of that: a page cache in large pieces counts a whole piece for
/// each byte that is changed.
pub(crate) fn disk_writes() -> Option<u64> {
    // Not the layers over other disks, nor disks in memory.
    const NO_DISKS: [&str; 5] = ["dm-", "md", "loop", "ram", "zram"];
    // Bytes of a sector in these statistics, whatever the disk's own are.
    const SECTOR: u64 = 512;
    let disks = std::fs::read_dir("/sys/block").ok()?.flatten();
    let written = disks.filter_map(|disk| {
        let name = disk.file_name().into_string().ok()?;
        if NO_DISKS.iter().any(|other| name.starts_with(other)) {
            return None;
        }
        let stat = std::fs::read_to_string(disk.path().join("stat")).ok()?;
        stat.split_whitespace().nth(6)?.parse::<u64>().ok()
    });
    Some(written.sum::<u64>() * SECTOR)
}

/// The number behind `name` at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_line_is_read() {
        let status = "Name:\tleaseq\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(number(status, "VmHWM:"), Some(2048));
        assert_eq!(number(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_process_uses_is_known() {
        assert!(cpu_of("self").is_some());
        assert_eq!(cpu_of("no-such-process"), None);
        assert!(memory_of(std::process::id()).is_some_and(|memory| memory.now > 0));
        assert!(disk_writes().is_some());
    }
}
