//! A server that runs as a child of this process, for `demo` and `bench`: a real process with its
//! own memory, so that it can really be killed.

use std::hash::BuildHasher;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};

use crate::exit::Failure;
use crate::platform;

/// The child and how to reach it. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct ChildServer {
    process: Child,
    /// The server stops when this closes. Not left with `process`: waiting for that closes it.
    stdin: Option<ChildStdin>,
    place: Place,
}

/// What stays the same when the server is started again.
#[derive(Clone, Debug)]
struct Place {
    listen: SocketAddr,
    admin: SocketAddr,
    data: PathBuf,
    log: PathBuf,
    authkey: String,
    extra: Vec<String>,
}

impl ChildServer {
    /// Starts `leaseq serve` on free loopback ports with its data in `scratch`. It may not be
    /// ready yet: a client waits for it.
    pub(crate) fn start(scratch: &Path, extra: &[String]) -> Result<Self, Failure> {
        let [listen, admin] = free_ports()?;
        let place = Place {
            listen,
            admin,
            data: scratch.join("data"),
            log: scratch.join("server.log"),
            authkey: format!("{:016x}", random()),
            extra: extra.to_vec(),
        };
        let mut process = place.spawn()?;
        let stdin = process.stdin.take();
        Ok(Self {
            process,
            stdin,
            place,
        })
    }

    pub(crate) fn addr(&self) -> String {
        self.place.listen.to_string()
    }

    pub(crate) fn authkey(&self) -> &str {
        &self.place.authkey
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends the process on the spot: no handler runs, nothing is flushed.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        self.process
            .kill()
            .await
            .map_err(|error| Failure::error(format!("cannot kill the server: {error}")))
    }

    /// Starts the server again after a kill: same data, same ports.
    pub(crate) fn start_again(&mut self) -> Result<(), Failure> {
        self.process = self.place.spawn()?;
        self.stdin = self.process.stdin.take();
        Ok(())
    }

    /// Closes the server's stdin, which asks it to drain and stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        const PATIENCE: Duration = Duration::from_secs(30);
        drop(self.stdin.take());
        match tokio::time::timeout(PATIENCE, self.process.wait()).await {
            Ok(Ok(_)) => Ok(()),
            _ => self.kill().await,
        }
    }

    /// Waits until the process is there no more.
    pub(crate) async fn ended(&mut self) {
        // An error means that there is nothing to wait for.
        let _ = self.process.wait().await;
    }

    /// A failure, with what the server said last if it is no longer there.
    pub(crate) fn explain(&mut self, failure: Failure) -> Failure {
        match self.process.try_wait() {
            Ok(Some(status)) => {
                let log = std::fs::read_to_string(&self.place.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines.get(lines.len().saturating_sub(5)..).unwrap_or(&[]);
                Failure::error(format!(
                    "the server ended ({status}); it said:\n{}",
                    last.join("\n")
                ))
            }
            _ => failure,
        }
    }
}

impl Place {
    fn spawn(&self) -> Result<Child, Failure> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|error| {
                Failure::error(format!("cannot write {}: {error}", self.log.display()))
            })?;
        let mut command = own_command()?;
        command
            .arg("serve")
            .arg("--stop-with-stdin")
            .arg("--listen")
            .arg(self.listen.to_string())
            .arg("--admin-listen")
            .arg(self.admin.to_string())
            .arg("--data")
            .arg(&self.data)
            .args(&self.extra)
            .env("LEASEQ_AUTHKEY", &self.authkey)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        platform::shield_from_terminal(&mut command);
        command
            .spawn()
            .map_err(|error| Failure::error(format!("cannot start a server: {error}")))
    }
}

/// A directory for the time of one run.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Made by us, so it goes with us.
    temporary: bool,
}

impl Scratch {
    /// `given`, or a new one among the temporary files.
    pub(crate) fn new(purpose: &str, given: Option<&Path>) -> Result<Self, Failure> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("leaseq-{purpose}-{:016x}", random())),
        };
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::error(format!("cannot make {}: {error}", path.display())))?;
        let temporary = given.is_none();
        Ok(Self { path, temporary })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.temporary {
            // On Windows the last file handle of a process that was killed may live a moment on.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// This program again, without the settings that the user's environment holds for it: a child gets
/// its own. It ends when its handle is dropped.
pub(crate) fn own_command() -> Result<Command, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::error(format!("cannot find this program's file: {error}")))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LEASEQ_") {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    Ok(command)
}

/// Two loopback addresses nobody listens on now. Their ports are below those of outgoing
/// connections: whoever asks again and again for a server that was killed could be given its very
/// port, and the server would find it taken.
fn free_ports() -> Result<[SocketAddr; 2], Failure> {
    let find = || -> std::io::Result<[SocketAddr; 2]> {
        let (first, second) = (free_port()?, free_port()?);
        Ok([first.local_addr()?, second.local_addr()?])
    };
    find().map_err(|error| Failure::error(format!("cannot get a free port: {error}")))
}

fn free_port() -> std::io::Result<TcpListener> {
    const TRIES: u32 = 100;
    let mut tries = 0;
    loop {
        let port = 10_000 + (random() % 22_000) as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(_) if tries < TRIES => tries += 1,
            found => return found,
        }
    }
}

/// A number that nobody can foresee; the standard library seeds its hashers with one.
pub(crate) fn random() -> u64 {
    std::hash::RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_two_different_ones_on_loopback_that_no_connection_is_given() {
        let [first, second] = free_ports().unwrap();
        assert!(first.ip().is_loopback() && second.ip().is_loopback());
        assert_ne!(first.port(), second.port());
        assert!(first.port().max(second.port()) < 32_768);
    }
}
