//! The server that is measured: one that runs already, or a child on a scratch directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use leaseq_client::{Client, ClientBuilder, ServerInfo};

use super::load::ServerArgs;
use super::queues::Queues;
use crate::child::{ChildServer, Scratch, random};
use crate::connect;
use crate::exit::Failure;
use crate::process::{Memory, cpu_of, disk_writes, memory_of};

/// A server that has just been started answers within this, or never.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// The server, and queues that nobody else uses.
#[derive(Debug)]
pub(super) struct Target {
    builder: ClientBuilder,
    child: Option<ChildServer>,
    // After the child, so that it is dropped after it.
    scratch: Option<Scratch>,
    /// The server's, if it is on this machine.
    process: Option<u32>,
    pub(super) queues: Queues,
    /// The queues belong to someone else, who keeps them.
    keep: bool,
    pub(super) info: ServerInfo,
}

impl Target {
    /// Finds or starts the server, and asks what it is.
    pub(super) async fn open(args: &ServerArgs) -> Result<Self, Failure> {
        let queues = Queues::new(&format!("bench-{:08x}", random() >> 32), 1);
        if args.connect.is_given() {
            let builder = args.connect.builder()?;
            let info = args.connect.client()?.server_info().await?;
            return Ok(Self {
                builder,
                child: None,
                scratch: None,
                process: args.pid,
                queues,
                keep: false,
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
            process: child.pid(),
            child: Some(child),
            scratch: Some(scratch),
            queues,
            keep: false,
            info,
        })
    }

    /// Uses the queue `name`, and leaves it as it is.
    pub(super) fn use_queue(&mut self, name: &str) {
        self.queues = Queues::new(name, 1);
        self.keep = true;
    }

    /// Spreads the load over so many queues.
    pub(super) fn spread(&mut self, queues: usize) {
        self.queues = Queues::new(&self.queues.names()[0].clone(), queues);
    }

    /// A client with a connection of its own.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        const PATIENCE: Duration = Duration::from_secs(3);
        Ok(self.builder.clone().connect_timeout(PATIENCE).build()?)
    }

    /// The server's processor time so far.
    pub(super) fn cpu(&self) -> Option<Duration> {
        cpu_of(&self.process?.to_string())
    }

    /// The server's memory.
    pub(super) fn memory(&self) -> Option<Memory> {
        memory_of(self.process?)
    }

    /// Bytes that the disks of the server's machine were given so far.
    pub(super) fn written(&self) -> Option<u64> {
        self.process.and_then(|_| disk_writes())
    }

    /// Where the child's data is.
    pub(super) fn data(&self) -> Option<PathBuf> {
        self.scratch
            .as_ref()
            .map(|scratch| scratch.path().to_owned())
    }

    /// Leaves nothing behind: the queues of a server that goes on are deleted, a child is stopped
    /// and its directory removed.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let Some(mut child) = self.child else {
            let client = self.builder.build()?;
            for queue in self.queues.names().iter().filter(|_| !self.keep) {
                if let Err(error) = client.delete_queue(queue, true).await {
                    eprintln!("warning: queue {queue:?} could not be deleted: {error}");
                }
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
