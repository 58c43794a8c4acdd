//! A server that runs, and its one way to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Parts, ServeError};
use crate::shard::Condition;

/// How often the drain looks whether calls are still open. Looking costs calls
/// nothing; telling would.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// When the last call is over, connections get this long to take note of GOAWAY.
const GOAWAY_TIME: Duration = Duration::from_secs(1);

/// A server that runs. Dropping it ends it without a drain.
pub struct RunningServer {
    parts: Parts,
    grpc_addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    reload: Arc<Notify>,
    connections: JoinHandle<()>,
    /// What ends with the server and has nothing to finish.
    tasks: Vec<JoinHandle<()>>,
    hurry: CancellationToken,
}

impl RunningServer {
    pub(super) fn new(
        parts: Parts,
        grpc_addr: SocketAddr,
        admin_addr: Option<SocketAddr>,
        reload: Arc<Notify>,
        connections: JoinHandle<()>,
        tasks: Vec<JoinHandle<()>>,
    ) -> Self {
        Self {
            parts,
            grpc_addr,
            admin_addr,
            reload,
            connections,
            tasks,
            hurry: CancellationToken::new(),
        }
    }

    /// Where the gRPC port is; with port 0 in the configuration, the one that the
    /// system chose.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where the admin port is, if there is one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Waits until the journal is read and calls are answered.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn ready(&self) -> Result<(), ServeError> {
        self.reach(|condition| *condition != Condition::Recovering)
            .await
    }

    /// Waits until the server cannot go on. Other than by its store failing that
    /// does not happen by itself.
    ///
    /// # Errors
    /// When the store failed: the process is expected to end and to say so.
    pub async fn wait(&self) -> Result<(), ServeError> {
        self.reach(|condition| matches!(condition, Condition::Stopped | Condition::Failed(_)))
            .await
    }

    async fn reach(&self, enough: fn(&Condition) -> bool) -> Result<(), ServeError> {
        let mut watch = self.parts.shard.watch();
        let reached = watch.wait_for(enough).await;
        match reached.as_deref() {
            Ok(Condition::Failed(reason)) => Err(ServeError::StoreFailed(reason.clone())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Reads keys and certificates again, now.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Cancelling it cuts a `shutdown` short: what runs is ended, what was
    /// acknowledged stays durable.
    pub(crate) fn hurry(&self) -> CancellationToken {
        self.hurry.clone()
    }

    /// Ends the server in order: health says NOT_SERVING, nothing more is leased,
    /// sessions are told, waiting calls are answered; what runs gets up to
    /// `drain_timeout`; then the last batch is made durable, what is still open is
    /// refused, and connections are closed.
    ///
    /// # Errors
    /// When the store failed, before or now.
    pub async fn shutdown(mut self, drain_timeout: Duration) -> Result<(), ServeError> {
        let due = Instant::now() + drain_timeout;
        let recovering = self.parts.shard.condition() == Condition::Recovering;
        info!(
            ?drain_timeout,
            "draining: no new leases, what runs may finish"
        );
        self.parts.shard.drain();
        self.calls_over(due).await;

        // What is still open ends in words: sessions and waiters are told, before the
        // connections that carry it are closed. While the journal is being read nothing was
        // acknowledged; waiting for it to read on would help nobody.
        let ended = if recovering {
            None
        } else {
            Some(self.parts.shard.stop().await)
        };
        // Only now: a worker that settles by single calls still finds the port open till here.
        self.parts.closing.drain.cancel();
        let hurry = self.hurry.clone();
        tokio::select! {
            _ = &mut self.connections => {}
            () = sleep(GOAWAY_TIME) => {}
            () = hurry.cancelled() => {}
        }
        self.parts.closing.abort.cancel();
        match ended {
            Some(Condition::Failed(reason)) => Err(ServeError::StoreFailed(reason)),
            Some(_) => {
                info!("stopped; everything acknowledged is durable");
                Ok(())
            }
            None => {
                info!("stopped while the journal was being read");
                Ok(())
            }
        }
    }

    async fn calls_over(&self, due: Instant) {
        while self.parts.metrics.open_calls() > 0 {
            if Instant::now() >= due {
                let open_calls = self.parts.metrics.open_calls();
                warn!(
                    open_calls,
                    "the drain timeout is over; open calls are ended"
                );
                return;
            }
            tokio::select! {
                () = sleep(LOOK_INTERVAL) => {}
                () = self.hurry.cancelled() => return,
            }
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.parts.closing.drain.cancel();
        self.parts.closing.abort.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}
