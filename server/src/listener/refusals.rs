//! Connections for which there is no place: counted, logged once a minute, and told why.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::admission::Bound;
use crate::telemetry::{ConnectionLimit, GrpcMetrics, OncePerMinute};
use crate::tls::TlsState;

/// How many refused connections are told the reason at the same time. The others are closed
/// without a word: in a flood, telling costs more than it helps.
const TOLD_MAX: usize = 32;

/// A refused client has this long to take the reason and to go.
const TELL_TIME: Duration = Duration::from_secs(1);

/// What the error code of a GOAWAY frame is when a peer makes too many requests (RFC 9113).
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Refuses connections.
#[derive(Clone)]
pub(crate) struct Refusals(Arc<Inner>);

struct Inner {
    metrics: GrpcMetrics,
    lines: [OncePerMinute; ConnectionLimit::ALL.len()],
    telling: Arc<Semaphore>,
}

impl Refusals {
    pub(crate) fn new(metrics: GrpcMetrics) -> Self {
        Self(Arc::new(Inner {
            metrics,
            lines: Default::default(),
            telling: Arc::new(Semaphore::new(TOLD_MAX)),
        }))
    }

    /// Counts and logs a refusal.
    pub(crate) fn count(&self, bound: Bound, peer: SocketAddr) {
        self.0.metrics.connection_refused(bound.limit);
        let line = self.0.lines.get(bound.limit as usize);
        if let Some(suppressed) = line.and_then(OncePerMinute::pass) {
            let (limit, max) = (bound.limit.key(), bound.max);
            warn!(limit, max, %peer, suppressed, "a connection is refused: a limit is reached");
        }
    }

    /// Tells a gRPC client which limit has kept it out, with a GOAWAY frame.
    pub(super) fn tell(&self, stream: TcpStream, bound: Bound, tls: Option<TlsState>) {
        let Ok(permit) = Arc::clone(&self.0.telling).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let told = async {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.acceptor().accept(stream).await {
                            go_away(stream, bound).await;
                        }
                    }
                    None => go_away(stream, bound).await,
                }
            };
            let _ = timeout(TELL_TIME, told).await;
            drop(permit);
        });
    }
}

/// Writes the reason and waits until the client has closed. Closing first, with bytes of the
/// client unread, would reset the connection, and the reason would be lost.
async fn go_away<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, bound: Bound) {
    if stream.write_all(&goodbye(bound)).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut ignored = [0; 1024];
    while stream
        .read(&mut ignored)
        .await
        .is_ok_and(|length| length > 0)
    {}
}

/// An empty SETTINGS frame, which has to come first, and a GOAWAY frame with the reason.
fn goodbye(bound: Bound) -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let (limit, max) = (bound.limit.key(), bound.max);
    let reason = format!("LIMIT_REACHED: {limit} of this server is {max}");
    // The last stream that was served (none), the error code, the reason. The reason is a few
    // dozen bytes, so one byte holds the length.
    let length = u8::try_from(8 + reason.len()).unwrap_or(u8::MAX);
    let mut bytes = SETTINGS.to_vec();
    bytes.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    bytes.extend([0; 4]);
    bytes.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    bytes.extend(reason.bytes().take(usize::from(length - 8)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goodbye_of_every_limit_fits_its_frame() {
        for limit in ConnectionLimit::ALL {
            let bound = Bound {
                limit: *limit,
                max: usize::MAX,
            };
            let bytes = goodbye(bound);
            assert_eq!(bytes.len(), 9 + 9 + usize::from(bytes[11]), "{limit:?}");
        }
    }
}
