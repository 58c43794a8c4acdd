//! The server under test: a child process that is killed with -9 and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::port::free_port;

/// How to start the server; the address and the data directory stay the same from start to start.
pub(crate) struct Server {
    binary: PathBuf,
    dir: PathBuf,
    store: &'static str,
    pub(crate) addr: String,
    pub(crate) authkey: String,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(binary: &Path, dir: &Path, store: &'static str) -> Self {
        Self {
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            store,
            addr: format!("127.0.0.1:{}", free_port()),
            authkey: "a-key-for-the-crash-test".into(),
            child: None,
        }
    }

    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.expect("the log file of the server can be written");
        let child = Command::new(&self.binary)
            .args(["serve", "--sync", "always", "--admin-listen", "off"])
            .args(["--listen", &self.addr, "--store", self.store])
            .arg("--data")
            .arg(self.dir.join("data"))
            .env("LEASEQ_AUTHKEY", &self.authkey)
            .env_remove("LEASEQ_CRASH_BINARY")
            .env_remove("LEASEQ_CRASH_CYCLES")
            .env_remove("LEASEQ_CRASH_SECONDS")
            .env_remove("LEASEQ_CRASH_SEED")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server can be started");
        self.child = Some(child);
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("a killed server ends");
        }
    }

    /// Whether it ended by itself, which it never may.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().expect("its own child");
        status.map(|status| format!("the server ended by itself: {status}\n{}", self.log_tail()))
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
