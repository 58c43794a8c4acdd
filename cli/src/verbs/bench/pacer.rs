//! The beat of an open loop: a thread that lets a put go at each of its moments, whatever became
//! of those before. What a put waits for after its moment counts as its latency, so a server that
//! stalls cannot hide it by slowing the load down (coordinated omission).

use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::stats::{histogram, record};

/// What the pacer did.
#[derive(Debug)]
pub(super) struct Paced {
    /// How late the thread itself let puts go: the operating system's timer, not the server.
    pub(super) lateness: Histogram<u64>,
    /// Puts that could not be handed to a master: too many were waiting there.
    pub(super) overrun: u64,
}

/// Lets `rate` puts a second go for `duration`, in turn to each of `masters`: sends the moment of
/// release, in the clock's nanoseconds.
pub(super) fn start(
    clock: Clock,
    rate: u64,
    duration: Duration,
    masters: Vec<mpsc::Sender<u64>>,
) -> std::io::Result<JoinHandle<Paced>> {
    std::thread::Builder::new()
        .name("pacer".to_owned())
        .spawn(move || pace(clock, rate.max(1), duration, &masters))
}

fn pace(clock: Clock, rate: u64, duration: Duration, masters: &[mpsc::Sender<u64>]) -> Paced {
    let mut paced = Paced {
        lateness: histogram(),
        overrun: 0,
    };
    let start = clock.now();
    let puts = puts_of(rate, duration);
    for (put, master) in (0..puts).zip(masters.iter().cycle()) {
        let moment = start + moment_of(put, rate);
        let now = wait_until(clock, moment);
        record(&mut paced.lateness, now - moment);
        // The moment of release, not the planned one: how late this thread was woken is the
        // machine's doing and is reported apart. Nothing that the server does can delay it.
        match master.try_send(now) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => paced.overrun += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => break,
        }
    }
    paced
}

/// How many puts make `duration` at `rate`.
pub(super) fn puts_of(rate: u64, duration: Duration) -> u64 {
    let puts = u128::from(rate) * duration.as_nanos() / 1_000_000_000;
    u64::try_from(puts).unwrap_or(u64::MAX)
}

/// When the n-th put is due, in nanoseconds after the first.
fn moment_of(put: u64, rate: u64) -> u64 {
    let nanos = u128::from(put) * 1_000_000_000 / u128::from(rate);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Sleeps until the moment has come; says what time it is then.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own; tokio's timer is too coarse (1 ms) to pace with"
)]
fn wait_until(clock: Clock, moment: u64) -> u64 {
    loop {
        let now = clock.now();
        if now >= moment {
            return now;
        }
        std::thread::sleep(Duration::from_nanos(moment - now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_evenly() {
        assert_eq!(moment_of(0, 1000), 0);
        assert_eq!(moment_of(1, 1000), 1_000_000);
        assert_eq!(moment_of(3_000, 1000), 3_000_000_000);
        assert_eq!(puts_of(1000, Duration::from_millis(1500)), 1500);
    }

    #[test]
    fn a_stalled_master_does_not_stop_the_beat() {
        let (stalled, _unread) = mpsc::channel(1);
        let (alive, mut beats) = mpsc::channel(100);
        let paced = pace(
            Clock::start(),
            10_000,
            Duration::from_millis(2),
            &[stalled, alive],
        );
        assert_eq!(paced.overrun, 9, "one fits, nine of ten do not");
        let mut released = 0;
        while beats.try_recv().is_ok() {
            released += 1;
        }
        assert_eq!(released, 10);
    }
}
