//! Whether the wall clock is to be followed. It may be wrong, and right again a moment
//! later: a time service that errs, a machine without a battery.

use std::time::Duration;

use leaseq_engine::time::Time;
use tracing::warn;

use super::clock::Down;

/// Less than this, in milliseconds, is no jump.
const JUMP_MIN: u64 = 1_000;

/// A jump that has stood for so long is followed.
const STANDS: Duration = Duration::from_secs(10);

/// One that is longer than this, in milliseconds, is followed only with `accept_clock`: a
/// day, and what two clocks may differ by anyhow.
const JUMP_MAX: u64 = 24 * 3600 * 1_000 + JUMP_MIN;

/// How often it is said that the wall clock is not followed.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What to do about the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wall {
    /// Nothing.
    Leave,
    /// Follow it: it has been ahead by so many milliseconds for a while.
    Follow(i64),
    /// Say that it is too far away to be followed.
    TooFar(i64),
}

/// The wall clock as it was seen so far.
#[derive(Debug, Default)]
pub(super) struct WallWatch {
    /// How far it is ahead, and since when.
    jump: Option<(i64, Time)>,
    /// When it was last said that it is too far.
    said: Option<Time>,
}

impl WallWatch {
    /// Looks at a wall clock that is `ahead` by so many milliseconds.
    pub(super) fn look(&mut self, now: Time, ahead: i64, accept: bool) -> Wall {
        if ahead.unsigned_abs() < JUMP_MIN {
            *self = Self::default();
            return Wall::Leave;
        }
        let jump = self.jump.filter(|(was, _)| was.abs_diff(ahead) < JUMP_MIN);
        let (_, since) = *self.jump.insert(jump.unwrap_or((ahead, now)));
        if now.since(since) < STANDS {
            return Wall::Leave;
        }
        if ahead.unsigned_abs() <= JUMP_MAX || accept {
            *self = Self::default();
            return Wall::Follow(ahead);
        }
        if self.said.is_some_and(|said| now.since(said) < SAID_EVERY) {
            return Wall::Leave;
        }
        self.said = Some(now);
        Wall::TooFar(ahead)
    }
}

/// Says that clients are told another time from now on.
pub(super) fn tell_followed(by: i64) {
    warn!(
        seconds = by / 1_000,
        "the wall clock was set, and is followed: what clients are told changes by that much, \
         and no delay, lease or retention does"
    );
}

/// Says that the wall clock is too far away to be right.
pub(super) fn tell_too_far(by: i64) {
    warn!(
        seconds = by / 1_000,
        "the wall clock is more than a day away from the server's time and is not followed; \
         set it, or start the server with --accept-clock if it is right"
    );
}

/// Says what is not known of the time before this start.
pub(super) fn tell_down(down: Down) {
    if let Down::Unknown { wall_says } = down {
        warn!(
            seconds = wall_says / 1_000,
            "the wall clock cannot be right about how long the server was down: it counts as no \
             time; set the clock, or start the server with --accept-clock if it is right"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    /// What came of it, second by second, but for nothing.
    fn seen(ahead: &[i64], accept: bool) -> Vec<(u64, Wall)> {
        let mut watch = WallWatch::default();
        let mut seen = Vec::new();
        for (second, ahead) in (0..).zip(ahead) {
            let now = Time::from_millis(second * 1_000);
            match watch.look(now, *ahead, accept) {
                Wall::Leave => {}
                other => seen.push((second, other)),
            }
        }
        seen
    }

    #[test]
    fn a_jump_that_stands_is_followed_ahead_and_back() {
        for ahead in [5_000, -5_000, DAY + 9, -DAY - 9] {
            assert_eq!(seen(&[ahead; 11], false), [(10, Wall::Follow(ahead))]);
        }
    }

    #[test]
    fn a_jump_that_does_not_stand_is_not_followed() {
        let mut ahead = [[DAY; 9], [0; 9]].concat();
        ahead.extend([DAY, 2 * DAY].repeat(9));
        assert_eq!(seen(&ahead, true), []);
    }

    #[test]
    fn the_drift_of_two_clocks_is_no_jump() {
        assert_eq!(seen(&[999, -999].repeat(20), true), []);
    }

    #[test]
    fn a_long_jump_is_told_once_a_minute_and_followed_if_that_is_allowed() {
        let ahead = 10 * 365 * DAY;
        let told = [(10, Wall::TooFar(ahead)), (70, Wall::TooFar(ahead))];
        assert_eq!(seen(&[ahead; 100], false), told);
        assert_eq!(seen(&[ahead; 11], true), [(10, Wall::Follow(ahead))]);
    }
}
