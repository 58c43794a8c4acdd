//! The server's slowest sync, from its own metrics.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Result;

/// The buckets of the time that the disk took for a commit.
const BUCKET: &str = "leaseq_store_sync_seconds_bucket{";

/// The bound that no sync has passed; `None`: the last bucket has no bound, or there was no sync.
pub(super) async fn slowest_sync(admin: &str) -> Result<Option<Duration>> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(bound(&answer))
}

/// The first bucket that has as many as the last.
fn bound(metrics: &str) -> Option<Duration> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(BUCKET));
    let buckets: Vec<(f64, f64)> = lines
        .filter_map(|line| {
            let (labels, count) = line.rsplit_once("} ")?;
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            Some((bound.parse().ok()?, count.parse().ok()?))
        })
        .collect();
    let (_, all) = buckets.last()?;
    let (bound, _) = buckets
        .iter()
        .find(|(_, count)| count == all && *count > 0.0)?;
    Duration::try_from_secs_f64(*bound).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_sync_is_in_the_first_full_bucket() {
        let bucket =
            |le: &str, count| format!("leaseq_store_sync_seconds_bucket{{le=\"{le}\"}} {count}\n");
        let metrics = [bucket("0.001", 5), bucket("0.01", 7), bucket("+Inf", 7)].concat();
        assert_eq!(bound(&metrics), Some(Duration::from_millis(10)));
        let metrics = [bucket("0.001", 5), bucket("+Inf", 7)].concat();
        assert_eq!(bound(&metrics), None);
    }
}
