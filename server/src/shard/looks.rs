//! When the driver looked at the clock last: finds the times in which the server did
//! not run.
//!
//! A process that was stopped finds its deadlines passed and the signs of life of its
//! workers unread, in sockets and in the inbox. So the stall is not counted, and
//! nothing expires before what came in meanwhile could be read.

use std::time::Duration;

use leaseq_engine::command::Command;
use leaseq_engine::time::Time;
use tracing::warn;

/// How long the driver waits at most: a stall that begins meanwhile counts up to this
/// much.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// A look that comes this much later than it was meant to is late: the rest was a stall.
const LATE_MAX: Duration = Duration::from_millis(250);

/// After a late look, what came in meanwhile has this long to be read before
/// something expires.
const READING: Duration = Duration::from_millis(50);

/// Stalls from this on are logged.
const TOLD_MIN: Duration = Duration::from_secs(1);

/// The looks of the driver.
#[derive(Debug)]
pub(super) struct Looks {
    /// The last look, or the begin of the wait for the next one.
    last: Time,
    /// How long it is meant to wait.
    wait: Duration,
    /// How much time has passed since the last look in which it was not meant to wait.
    late: Duration,
    /// Nothing expires before this.
    reading_until: Option<Time>,
}

impl Looks {
    pub(super) fn new(now: Time) -> Self {
        Self {
            last: now,
            wait: Duration::ZERO,
            late: Duration::ZERO,
            reading_until: None,
        }
    }

    /// How long to wait for inputs when something is due at `due`.
    pub(super) fn wait(&mut self, now: Time, due: Option<Time>) -> Duration {
        self.late += now.since(self.last);
        self.last = now;
        self.wait = due.map_or(WAIT_MAX, |due| {
            let due = self.reading_until.map_or(due, |until| due.max(until));
            due.since(now).min(WAIT_MAX)
        });
        self.wait
    }

    /// The driver looks. Tells for how long the server was stalled, if it was.
    pub(super) fn look(&mut self, now: Time) -> Option<Duration> {
        let late = self.late + now.since(self.last).saturating_sub(self.wait);
        (self.last, self.wait, self.late) = (now, Duration::ZERO, Duration::ZERO);
        let stalled = late.checked_sub(LATE_MAX).filter(|by| !by.is_zero())?;
        // Not put off again if every look is late: then nothing would expire.
        self.reading_until.get_or_insert(now.after(READING));
        Some(stalled)
    }

    /// Whether what is due may be done.
    pub(super) fn may_expire(&mut self, now: Time) -> bool {
        if self.reading_until.is_some_and(|until| now < until) {
            return false;
        }
        self.reading_until = None;
        true
    }

    /// The time until now was not a stall.
    pub(super) fn forgive(&mut self, now: Time) {
        self.last = now;
    }
}

/// Lets a call wait so much longer, if it waits.
pub(super) fn wait_longer(command: &mut Command, by: Duration) {
    let until = match command {
        Command::Put(put) => &mut put.until,
        Command::Get(get) => &mut get.until,
        Command::WaitJob { until, .. } | Command::WaitQueue { until, .. } => until,
        _ => return,
    };
    *until = until.map(|until| until.after(by));
}

/// Says that the server was stalled, if that was long: not more than once a second.
pub(super) fn tell_stalled(by: Duration) {
    if by >= TOLD_MIN {
        warn!(
            millis = by.as_millis(),
            "the server did not run for a while; leases and calls that wait last that much longer"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_is_beyond_the_wait_and_the_bound_is_a_stall() {
        let mut looks = Looks::new(at(0));
        assert_eq!(looks.wait(at(0), Some(at(200))), ms(200));
        assert_eq!(looks.look(at(450)), None);
        assert_eq!(looks.wait(at(450), Some(at(9000))), ms(250));
        assert_eq!(looks.look(at(4000)), Some(ms(3050)));
        assert_eq!(
            looks.look(at(4251)),
            Some(ms(1)),
            "it was not meant to wait"
        );
        // A stall in the middle of work, and then a wait that ends at once.
        assert_eq!(looks.wait(at(9000), None), ms(250));
        assert_eq!(looks.look(at(9000)), Some(ms(4499)));
    }

    #[test]
    fn nothing_expires_until_the_inputs_of_a_stall_could_be_read() {
        let mut looks = Looks::new(at(0));
        assert!(looks.may_expire(at(0)));
        looks.look(at(3500));
        assert!(!looks.may_expire(at(3500)));
        assert_eq!(looks.wait(at(3500), Some(at(3000))), ms(50));
        looks.look(at(3549));
        assert!(!looks.may_expire(at(3549)));
        looks.look(at(3550));
        assert!(looks.may_expire(at(3550)));
    }

    #[test]
    fn things_expire_even_if_every_look_is_late() {
        let mut looks = Looks::new(at(0));
        looks.look(at(1000));
        assert!(!looks.may_expire(at(1000)));
        looks.look(at(2000));
        assert!(looks.may_expire(at(2000)));
    }
}
