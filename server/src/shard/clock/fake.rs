//! A machine whose clocks a test moves.

use std::sync::Mutex;
use std::time::Duration;

use super::MachineClocks;

/// Its clocks stand until they are moved.
#[derive(Debug)]
pub(crate) struct FakeMachine(Mutex<Clocks>);

#[derive(Debug)]
struct Clocks {
    running: Duration,
    wall: Duration,
    boot: u8,
}

impl Default for FakeMachine {
    fn default() -> Self {
        Self(Mutex::new(Clocks {
            running: Duration::from_secs(77),
            wall: Duration::from_millis(Self::START),
            boot: 1,
        }))
    }
}

impl FakeMachine {
    /// What the wall clock says first, in milliseconds.
    pub(crate) const START: u64 = 1_790_000_000_000;

    /// Time passes.
    pub(crate) fn pass(&self, by: Duration) {
        let mut clocks = self.0.lock().unwrap();
        clocks.running += by;
        clocks.wall += by;
    }

    /// The wall clock is set ahead by so many milliseconds, or back.
    pub(crate) fn set_wall(&self, by: i64) {
        let mut clocks = self.0.lock().unwrap();
        let to = u64::try_from(clocks.wall.as_millis()).unwrap();
        clocks.wall = Duration::from_millis(to.saturating_add_signed(by));
    }

    /// The machine is restarted at once.
    pub(crate) fn reboot(&self) {
        let mut clocks = self.0.lock().unwrap();
        (clocks.running, clocks.boot) = (Duration::from_secs(1), clocks.boot + 1);
    }
}

impl MachineClocks for FakeMachine {
    fn running(&self) -> Duration {
        self.0.lock().unwrap().running
    }

    fn wall(&self) -> Duration {
        self.0.lock().unwrap().wall
    }

    fn boot(&self) -> [u8; 16] {
        [self.0.lock().unwrap().boot; 16]
    }
}
