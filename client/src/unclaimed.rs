//! Gives back jobs whose `get` was dropped before they arrived.
//!
//! Dropping a call cancels it. An answer that is already on its way is then thrown away, and its
//! jobs stay leased until the leases expire. So a Get runs in a separate task that outlives its
//! caller for a short time and releases the jobs that still arrive.

use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::Result;
use crate::get::Leased;

/// How long a call goes on without its caller. An answer that had left is here long before that.
/// Longer, and abandoned calls would take jobs from those who still wait.
const GOES_ON: Duration = Duration::from_secs(2);

/// How long the release of what arrived may take. After that the leases expire.
const RELEASE: Duration = Duration::from_secs(10);

/// The answer to a Get on its way to the caller. Dropped before that it releases its jobs.
struct Unclaimed {
    client: Client,
    runtime: Handle,
    answer: Option<Result<Leased>>,
}

/// Makes the call. `None`: its task was stopped, because its runtime ends.
pub(crate) async fn call(
    client: Client,
    ask: impl Future<Output = Result<Leased>> + Send + 'static,
) -> Option<Result<Leased>> {
    let (mut to_caller, answered) = oneshot::channel();
    let runtime = Handle::current();
    tokio::spawn(async move {
        let mut ask = pin!(ask);
        let answer = tokio::select! {
            biased;
            answer = &mut ask => Some(answer),
            () = to_caller.closed() => timeout(GOES_ON, ask).await.ok(),
        };
        // Not sent, or not taken, it is dropped.
        drop(to_caller.send(Unclaimed {
            client,
            runtime,
            answer,
        }));
    });
    let mut unclaimed = answered.await.ok()?;
    unclaimed.answer.take()
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(Ok(leased)) = self.answer.take() else {
            return;
        };
        if leased.jobs.is_empty() {
            return;
        }
        let client = self.client.clone();
        self.runtime.spawn(async move {
            let releases = leased.jobs.iter().map(|job| job.release()).collect();
            // Best effort: without it the leases expire.
            let released = timeout(RELEASE, client.settle(releases)).await;
            match released {
                Ok(Ok(_)) => tracing::debug!("released jobs that came after their caller had gone"),
                Ok(Err(error)) => {
                    tracing::warn!("could not release jobs of a dropped get: {error}")
                }
                Err(_) => tracing::warn!("could not release jobs of a dropped get in time"),
            }
        });
    }
}
