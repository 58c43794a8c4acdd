//! What the clocks of the machine said, for the next start.

use std::time::Duration;

use crate::time::Time;
use crate::transition::Transition;

/// What the clocks of the machine said at one moment. The engine keeps the last reading for
/// the driver, which goes on from it after a restart; no rule depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReading {
    /// Server time.
    pub time: Time,
    /// The same moment as clients are told it.
    pub wall: Time,
    /// How long the machine has been running.
    pub running: Duration,
    /// Which run of the machine that is; zeros if it does not say.
    pub boot: [u8; 16],
}

impl From<ClockReading> for Transition {
    fn from(reading: ClockReading) -> Self {
        let ClockReading {
            time,
            wall,
            running,
            boot,
        } = reading;
        Self::ClocksRead {
            time,
            wall,
            running,
            boot,
        }
    }
}
