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

/// How many bytes a process has caused to be written to disks.
pub(crate) fn written_by(process: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    number(&io, "write_bytes:")
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
        assert!(written_by(std::process::id()).is_some());
    }
}
