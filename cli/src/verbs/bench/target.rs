//! The server that is measured: one that runs already, or a child on a scratch directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use leaseq_client::{Client, ClientBuilder, ServerInfo};

use super::load::ServerArgs;
use crate::child::{ChildServer, Memory, Scratch, random};
use crate::connect;
use crate::exit::Failure;

/// A server that has just been started answers within this, or never.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// The server, and a queue that nobody else uses.
#[derive(Debug)]
pub(super) struct Target {
    builder: ClientBuilder,
    child: Option<ChildServer>,
    // After the child, so that it is dropped after it.
    scratch: Option<Scratch>,
    pub(super) queue: String,
    pub(super) info: ServerInfo,
}

impl Target {
    /// Finds or starts the server, and asks what it is.
    pub(super) async fn open(args: &ServerArgs) -> Result<Self, Failure> {
        let queue = format!("bench-{:08x}", random() >> 32);
        if args.connect.is_given() {
            let builder = args.connect.builder()?;
            let info = args.connect.client()?.server_info().await?;
            return Ok(Self {
                builder,
                child: None,
                scratch: None,
                queue,
                info,
            });
        }
        let scratch = Scratch::new("bench", args.data.as_deref())?;
        warn_of_memory_disk(scratch.path());
        let sync = format!("--sync={}", args.sync);
        let mut child = ChildServer::start(scratch.path(), &[sync])?;
        let builder = connect::to_child(&child.addr(), child.authkey());
        let client = builder.clone().connect_timeout(START_TIME_MAX).build()?;
        let info = tokio::select! {
            info = client.server_info() => info.map_err(Failure::from),
            () = child.ended() => Err(Failure::error("the server ended as it started")),
        };
        let info = info.map_err(|failure| child.explain(failure))?;
        Ok(Self {
            builder,
            child: Some(child),
            scratch: Some(scratch),
            queue,
            info,
        })
    }

    /// A client with a connection of its own.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        const PATIENCE: Duration = Duration::from_secs(3);
        Ok(self.builder.clone().connect_timeout(PATIENCE).build()?)
    }

    /// The child's processor time so far.
    pub(super) fn cpu(&self) -> Option<Duration> {
        self.child.as_ref()?.cpu()
    }

    /// The child's memory.
    pub(super) fn memory(&self) -> Option<Memory> {
        self.child.as_ref()?.memory()
    }

    /// Where the child's data is.
    pub(super) fn data(&self) -> Option<PathBuf> {
        self.scratch
            .as_ref()
            .map(|scratch| scratch.path().to_owned())
    }

    /// Leaves nothing behind: the queue of a server that goes on is deleted, a child is stopped
    /// and its directory removed.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let Some(mut child) = self.child else {
            if let Err(error) = self.builder.build()?.delete_queue(&self.queue, true).await {
                eprintln!(
                    "warning: queue {:?} could not be deleted: {error}",
                    self.queue
                );
            }
            return Ok(());
        };
        child.kill().await
    }

    /// Leaves everything as it is, but for a scratch directory.
    pub(super) async fn leave(self) -> Result<(), Failure> {
        match self.child {
            Some(child) => child.stop().await,
            None => Ok(()),
        }
    }
}

/// On a disk that is none, syncing costs nothing: a figure from there says little.
fn warn_of_memory_disk(path: &Path) {
    if is_memory_disk(path) {
        eprintln!(
            "warning: {} is in memory, not on a disk; --data DIR measures another place",
            path.display()
        );
    }
}

/// Whether the longest mount point above `path` is a tmpfs. Where the system does not tell: no.
fn is_memory_disk(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mount, _)| path.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len())
        .map(|(_, kind)| kind);
    matches!(kind, Some("tmpfs" | "ramfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_memory_disk_is_known() {
        assert!(!is_memory_disk(Path::new("/proc")));
        assert!(!is_memory_disk(Path::new("/no/such/path")));
    }
}
