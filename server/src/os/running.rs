//! Time that passes, as the machine counts it. Setting the wall clock changes none of
//! it, and a machine that is suspended counts on.

use std::time::Duration;

/// Time since some moment before the start of the process, the same for all who ask.
/// `None`: this system does not say.
#[cfg(unix)]
pub(crate) fn running_time() -> Option<Duration> {
    use rustix::time::{DynamicClockId, clock_gettime_dynamic};

    #[cfg(target_os = "linux")]
    let clock = DynamicClockId::Boottime;
    // On Apple's systems it counts while the machine sleeps.
    #[cfg(not(target_os = "linux"))]
    let clock = DynamicClockId::Known(rustix::time::ClockId::Monotonic);
    let time = clock_gettime_dynamic(clock).ok()?;
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
pub(crate) fn running_time() -> Option<Duration> {
    None
}

/// What sets this run of the machine apart from all others. `None`: this system does
/// not say.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(uuid::Uuid::parse_str(text.trim()).ok()?.into_bytes())
}
