//! When the operating system gives no connection.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::warn;

use crate::telemetry::OncePerMinute;

/// After the operating system gave no connection (out of descriptors, mostly), it
/// is not asked again for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Deals with the errors of one port's `accept`. None of them ends the port.
pub(crate) struct AcceptErrors {
    port: &'static str,
    line: OncePerMinute,
}

impl AcceptErrors {
    pub(crate) fn new(port: &'static str) -> Self {
        Self {
            port,
            line: OncePerMinute::default(),
        }
    }

    /// Counts the error, and waits unless only that connection is concerned.
    pub(crate) async fn wait(&self, error: &io::Error, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
        let of_the_peer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
        );
        if of_the_peer {
            return;
        }
        if let Some(suppressed) = self.line.pass() {
            warn!(
                port = self.port,
                %error,
                suppressed,
                "no connection can be accepted for now; trying again every 100 ms"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_shortage_pauses_and_a_lost_peer_does_not() {
        let (errors, count, start) = (AcceptErrors::new("gRPC"), AtomicU64::new(0), Instant::now());
        let aborted = io::ErrorKind::ConnectionAborted.into();
        errors.wait(&aborted, &count).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        // EMFILE, ENFILE, ENOMEM.
        for code in [24, 23, 12] {
            errors
                .wait(&io::Error::from_raw_os_error(code), &count)
                .await;
        }
        assert_eq!(start.elapsed(), 3 * PAUSE);
        assert_eq!(count.into_inner(), 4);
        // One line a minute, not one for each.
        assert!(errors.line.pass().is_none());
    }
}
