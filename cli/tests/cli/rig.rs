//! A server to talk to, and the program to talk with.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::port::free_port;

pub(crate) const AUTHKEY: &str = "a-key-for-these-tests";

/// The program, with an environment in which nothing is set for it.
pub(crate) fn leaseq(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaseq"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LEASEQ_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// What a run said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("not killed"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// The first line of stdout.
    pub(crate) fn line(&self) -> &str {
        self.stdout.lines().next().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value that a list of facts has under a name.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> &str {
        self.stdout
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix("  "))
            .map_or_else(|| panic!("no {name:?} in {self:?}"), str::trim)
    }
}

/// Runs the program without a server.
pub(crate) fn run(args: &[&str]) -> Said {
    Said::of(leaseq(args).output().expect("the program starts"))
}

/// `leaseq serve` on a directory of its own; both go with it.
pub(crate) struct Server {
    process: Child,
    addr: String,
    dir: TempDir,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::on(TempDir::new().expect("a directory"))
    }

    /// The same, on the data that are in `dir`.
    pub(crate) fn on(dir: TempDir) -> Self {
        let addr = format!("127.0.0.1:{}", free_port());
        let log = File::create(dir.path().join("log")).expect("a log");
        let process = leaseq(&["serve", "--stop-with-stdin", "--listen", &addr])
            .arg("--admin-listen=127.0.0.1:0")
            .arg("--data")
            .arg(dir.path().join("data"))
            .env("LEASEQ_AUTHKEY", AUTHKEY)
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let server = Self { process, addr, dir };
        server
            .run(&["queue", "ls", "--connect-timeout", "60s"])
            .ends(0);
        server
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program, set up for this server.
    pub(crate) fn leaseq(&self, args: &[&str]) -> Command {
        let mut command = leaseq(args);
        command
            .env("LEASEQ_ADDR", &self.addr)
            .env("LEASEQ_AUTHKEY", AUTHKEY);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::of(self.leaseq(args).output().expect("the program starts"))
    }

    /// Runs the program with this on its stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Said {
        let mut child = self
            .leaseq(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(stdin).expect("it reads");
        drop(pipe);
        Said::of(child.wait_with_output().expect("it ends"))
    }

    /// Puts one job and gives its id.
    #[track_caller]
    pub(crate) fn put(&self, args: &[&str]) -> String {
        let args = [&["put"], args].concat();
        self.run(&args).ends(0).line().to_owned()
    }

    /// Lets the server drain and stop; its data stays.
    pub(crate) fn stop(&mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().expect("it ends").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
