//! The server's clock. Server time advances by time that passes and by nothing else.
//!
//! It does not follow the wall clock, which can be set at any moment. What clients are told
//! is server time plus an offset, and the offset alone is corrected when the wall clock
//! is set: see `wall`.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leaseq_engine::time::Time;
use leaseq_engine::transition::ClockReading;

use crate::os;

/// A server that is found to have been down for longer than this was not: the wall
/// clock is wrong. As long as the longest delay of a job.
const DOWN_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The clocks of the machine.
pub(crate) trait MachineClocks: Debug + Send + Sync {
    /// Time that passes: no setting of a clock changes it.
    fn running(&self) -> Duration;
    /// Time since the Unix epoch as the machine has it.
    fn wall(&self) -> Duration;
    /// What `running` counts from; the same after a restart of the server if the
    /// machine was not restarted. Zeros: unknown.
    fn boot(&self) -> [u8; 16];
}

/// How far the wall clock is ahead of server time, as far as it is believed, in
/// milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct WallOffset(i64);

impl WallOffset {
    #[cfg(test)]
    pub(crate) fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment as clients are told it.
    pub(crate) fn wall(self, time: Time) -> Time {
        Time::from_millis(time.as_millis().saturating_add_signed(self.0))
    }

    /// The moment that a client means.
    pub(crate) fn server_time(self, wall: Time) -> Time {
        let back = self.0.saturating_neg();
        Time::from_millis(wall.as_millis().saturating_add_signed(back))
    }
}

/// How long the server was down before this start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Down {
    /// So long.
    For(Duration),
    /// The wall clock says this, which cannot be believed: it counts as nothing.
    Unknown {
        /// Milliseconds since the last batch.
        wall_says: i64,
    },
}

/// The clock. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    machine: Arc<dyn MachineClocks>,
    /// Server time when `running` was zero, in milliseconds; wraps around.
    base: AtomicU64,
    /// The offset to the wall clock.
    offset: AtomicI64,
}

impl Clock {
    /// A clock of this machine.
    pub(crate) fn start() -> Self {
        Self::of(Arc::new(ThisMachine::new()))
    }

    /// A clock that starts at the wall time. `resume` lets it go on from another.
    pub(crate) fn of(machine: Arc<dyn MachineClocks>) -> Self {
        let clock = Self(Arc::new(Shared {
            machine,
            base: AtomicU64::new(0),
            offset: AtomicI64::new(0),
        }));
        clock.set(clock.machine_wall());
        clock
    }

    /// The time now.
    pub(crate) fn now(&self) -> Time {
        let base = self.0.base.load(Ordering::Relaxed);
        Time::from_millis(base.wrapping_add(millis(self.0.machine.running())))
    }

    /// What turns server time into that of the wall clock.
    pub(crate) fn offset(&self) -> WallOffset {
        WallOffset(self.0.offset.load(Ordering::Relaxed))
    }

    /// How far the machine's wall clock is ahead of what clients are told, in
    /// milliseconds.
    pub(crate) fn wall_ahead(&self) -> i64 {
        difference(self.machine_wall(), self.offset().wall(self.now()))
    }

    /// What clients are told is `by` milliseconds later from now on.
    pub(crate) fn move_offset(&self, by: i64) {
        self.0.offset.fetch_add(by, Ordering::Relaxed);
    }

    /// All clocks at this moment.
    pub(crate) fn reading(&self) -> ClockReading {
        let time = self.now();
        ClockReading {
            time,
            wall: self.offset().wall(time),
            running: self.0.machine.running(),
            boot: self.0.machine.boot(),
        }
    }

    /// Goes on after the last time of the store. If the machine was not restarted since
    /// `last`, it knows how much later it is; otherwise the wall clock says so, and is
    /// believed within reason, or at any rate if `accept` says so.
    pub(crate) fn resume(&self, end: Time, last: Option<ClockReading>, accept: bool) -> Down {
        let offset = last.map_or(0, |last| difference(last.wall, last.time));
        self.0.offset.store(offset, Ordering::Relaxed);
        let by_wall = difference(self.machine_wall(), WallOffset(offset).wall(end));
        let down = match u64::try_from(by_wall).map(Duration::from_millis) {
            Ok(down) if down <= DOWN_MAX || accept => Some(down),
            Ok(_) | Err(_) => None,
        };
        let down = last.and_then(|last| self.down_since(end, last)).or(down);
        self.set(end.after(down.unwrap_or_default()));
        down.map_or(Down::Unknown { wall_says: by_wall }, Down::For)
    }

    fn down_since(&self, end: Time, last: ClockReading) -> Option<Duration> {
        let boot = self.0.machine.boot();
        if boot == [0; 16] || boot != last.boot {
            return None;
        }
        let passed = self.0.machine.running().checked_sub(last.running)?;
        let down = difference(last.time.after(passed), end);
        u64::try_from(down).ok().map(Duration::from_millis)
    }

    fn set(&self, now: Time) {
        let running = millis(self.0.machine.running());
        let base = now.as_millis().wrapping_sub(running);
        self.0.base.store(base, Ordering::Relaxed);
    }

    /// The wall clock of the machine, which may be wrong. The numbers of jobs and leases
    /// go by it at a start, and nothing else does directly.
    pub(crate) fn machine_wall(&self) -> Time {
        Time::from_millis(millis(self.0.machine.wall()))
    }
}

/// How far `a` is after `b`, in milliseconds.
fn difference(a: Time, b: Time) -> i64 {
    a.as_millis().wrapping_sub(b.as_millis()).cast_signed()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The machine that this process runs on.
#[derive(Debug)]
struct ThisMachine {
    boot: [u8; 16],
    /// For systems that do not tell time that passes.
    started: Instant,
}

impl ThisMachine {
    fn new() -> Self {
        Self {
            boot: os::boot_id().unwrap_or_default(),
            started: Instant::now(),
        }
    }
}

impl MachineClocks for ThisMachine {
    fn running(&self) -> Duration {
        os::running_time().unwrap_or_else(|| self.started.elapsed())
    }

    /// Zero on a machine that believes it is older than the epoch.
    fn wall(&self) -> Duration {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        since_epoch.unwrap_or_default()
    }

    fn boot(&self) -> [u8; 16] {
        self.boot
    }
}

#[cfg(test)]
pub(crate) mod fake;

#[cfg(test)]
mod tests {
    use super::fake::FakeMachine;
    use super::*;

    const HOUR: i64 = 3_600_000;
    const YEARS_10: i64 = 10 * 365 * 24 * HOUR;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A clock that was stopped, and that which is started on the same machine.
    fn restarted(machine: &Arc<FakeMachine>, before: &Clock, accept: bool) -> (Clock, Down) {
        let clock = Clock::of(Arc::clone(machine) as _);
        let (end, last) = (before.now(), before.reading());
        let down = clock.resume(end, Some(last), accept);
        (clock, down)
    }

    #[test]
    fn it_starts_at_the_wall_time_and_then_only_time_that_passes_moves_it() {
        let machine = Arc::new(FakeMachine::default());
        let clock = Clock::of(Arc::clone(&machine) as _);
        let start = clock.now();
        assert_eq!(start.as_millis(), FakeMachine::START);
        for by in [YEARS_10, -YEARS_10, -HOUR] {
            machine.set_wall(by);
            assert_eq!(clock.now(), start);
        }
        machine.pass(secs(5));
        assert_eq!(clock.now(), start.after(secs(5)));
        assert_eq!(clock.wall_ahead(), -HOUR);
    }

    #[test]
    fn a_restart_counts_the_time_that_the_machine_counted_whatever_the_wall_clock_says() {
        for wrong in [0, HOUR, -HOUR, YEARS_10, -YEARS_10] {
            let machine = Arc::new(FakeMachine::default());
            let before = Clock::of(Arc::clone(&machine) as _);
            let end = before.now();
            let last = before.reading();
            machine.pass(secs(60));
            machine.set_wall(wrong);
            let clock = Clock::of(Arc::clone(&machine) as _);
            assert_eq!(clock.resume(end, Some(last), false), Down::For(secs(60)));
            assert_eq!(clock.now(), end.after(secs(60)));
            machine.set_wall(-wrong);
            assert_eq!(clock.wall_ahead(), 0, "right again, and so is the server");
        }
    }

    #[test]
    fn after_a_restart_of_the_machine_the_wall_clock_is_believed_within_reason() {
        let resumed = |wall: i64, accept| {
            let machine = Arc::new(FakeMachine::default());
            let before = Clock::of(Arc::clone(&machine) as _);
            let (end, last) = (before.now(), before.reading());
            machine.reboot();
            machine.set_wall(wall);
            let clock = Clock::of(Arc::clone(&machine) as _);
            (
                clock.resume(end, Some(last), accept),
                clock.now().since(end),
            )
        };
        assert_eq!(resumed(HOUR, false), (Down::For(secs(3600)), secs(3600)));
        let unknown = |wall_says| (Down::Unknown { wall_says }, secs(0));
        assert_eq!(resumed(-HOUR, false), unknown(-HOUR));
        assert_eq!(resumed(YEARS_10, false), unknown(YEARS_10));
        let (down, moved) = resumed(YEARS_10, true);
        assert_eq!((down, moved), (Down::For(moved), secs(315_360_000)));
    }

    #[test]
    fn the_offset_outlives_the_server() {
        let machine = Arc::new(FakeMachine::default());
        let clock = Clock::of(Arc::clone(&machine) as _);
        machine.set_wall(HOUR);
        clock.move_offset(HOUR);
        assert_eq!(clock.wall_ahead(), 0);
        let (clock, down) = restarted(&machine, &clock, false);
        assert_eq!((clock.wall_ahead(), down), (0, Down::For(secs(0))));
        let told = clock.offset().wall(clock.now());
        assert_eq!(clock.offset().server_time(told), clock.now());
        assert_eq!(told.since(clock.now()), secs(3600));
    }

    #[test]
    fn a_store_without_a_reading_goes_by_the_wall_clock() {
        let machine = Arc::new(FakeMachine::default());
        let clock = Clock::of(Arc::clone(&machine) as _);
        let end = Time::from_millis(FakeMachine::START - 5_000);
        assert_eq!(clock.resume(end, None, false), Down::For(secs(5)));
        assert_eq!(clock.now().as_millis(), FakeMachine::START);
    }
}
