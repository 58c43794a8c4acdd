//! A server that is measured: a process with a port and a directory of its own, started, killed,
//! started again, and gone with all its children when it is dropped.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::failure::{Failure, Result};
use crate::port::free_port;
use crate::usage;

/// A server that does not listen after this has failed.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How often to look whether something has happened that nobody tells us.
const LOOK: Duration = Duration::from_millis(2);

/// Where a server lives: a port on loopback, and a directory that goes with it.
#[derive(Debug)]
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) port: u16,
}

impl Place {
    /// A free port, and a new directory below `base`.
    pub(crate) fn new(base: &Path) -> Result<Self> {
        Ok(Self {
            dir: tempfile::Builder::new()
                .prefix("leaseq-bench-")
                .tempdir_in(base)?,
            port: free_port(),
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `host:port`.
    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// The user it runs as, if we may choose: some refuse to be root.
    pub(crate) user: Option<&'static str>,
}

impl Spec {
    pub(crate) fn new<T: ToString>(program: impl Into<PathBuf>, args: &[T]) -> Self {
        Self {
            program: program.into(),
            args: args.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    #[cfg(feature = "peers")]
    pub(crate) fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// The command, with neither input nor a terminal.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = self.user.and_then(user_ids) {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    spec: Spec,
    place: Place,
    /// When it was last started.
    pub(crate) started: Instant,
}

impl Server {
    /// Starts it; returns when it listens.
    pub(crate) async fn start(place: Place, spec: Spec) -> Result<Self> {
        let child = spawn(&place, &spec)?;
        let mut server = Self {
            child,
            spec,
            place,
            started: Instant::now(),
        };
        server.listens().await?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Starts it again on what it left; does not wait for anything.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.started = Instant::now();
        self.child = spawn(&self.place, &self.spec)?;
        Ok(())
    }

    /// Ends it and all its children on the spot.
    pub(crate) fn kill(&mut self) {
        for pid in usage::members(self.pid()) {
            send(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// Waits until the port is open.
    pub(crate) async fn listens(&mut self) -> Result<()> {
        let end = Instant::now() + START_TIME_MAX;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(log_of(&self.place)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(5).collect();
                let last: Vec<&str> = lines.into_iter().rev().collect();
                let last = last.join(" / ");
                return Err(Failure::new(format!("the server ended ({status}): {last}")));
            }
            if tokio::net::TcpStream::connect(self.place.addr())
                .await
                .is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::new("the server does not listen"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn log_of(place: &Place) -> PathBuf {
    place.dir().join("server.log")
}

fn spawn(place: &Place, spec: &Spec) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_of(place))?;
    let mut command = spec.command();
    command.current_dir(place.dir());
    command.stdout(log.try_clone()?).stderr(log);
    let program = spec.program.display();
    let spawned = command.spawn();
    spawned.map_err(|error| Failure::new(format!("cannot start {program}: {error}")))
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that is gone already needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// The numbers of a user, if we are root and can become it.
pub(crate) fn user_ids(name: &str) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Where a program is, in PATH or in one of `folders`.
pub(crate) fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "PATH is no setting of ours")]
    let path = std::env::var("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = folders.iter().chain(&path);
    all.map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
