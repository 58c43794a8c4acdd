//! Everything that can be measured, by name.

use std::path::PathBuf;

use crate::scenario::Shape;
use crate::server::find_program;

/// What a power cut loses, as classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// Nothing that was acknowledged.
    Always,
    /// A bounded tail.
    Bounded,
    /// Everything since a sync that may be long ago; the end of the process alone loses nothing.
    Unbounded,
    /// Everything, already with the end of the process.
    Memory,
}

impl Durability {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Always => "always: an answer leaves after the sync",
            Self::Bounded => "a power cut loses about the last second",
            Self::Unbounded => "synced now and then: a power cut loses what came since",
            Self::Memory => "memory: nothing outlives the process",
        }
    }
}

/// One server with one setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) durability: Durability,
    /// The program, and the Debian package it comes with.
    program: &'static str,
    package: &'static str,
}

/// Leaseq and its peers. Each peer has the setting that is best for it.
pub(crate) const SUBJECTS: &[Subject] = &[
    subject(
        "leaseq",
        "leaseq, --sync always",
        Durability::Always,
        "",
        "",
    ),
    subject(
        "leaseq-os",
        "leaseq, --sync os",
        Durability::Unbounded,
        "",
        "",
    ),
    peer(
        "beanstalkd-f0",
        "beanstalkd -b -f0",
        Durability::Always,
        BEANSTALKD,
    ),
    peer(
        "beanstalkd",
        "beanstalkd without a log",
        Durability::Memory,
        BEANSTALKD,
    ),
    peer(
        "redis-always",
        "Redis list (BLMOVE), AOF always",
        Durability::Always,
        REDIS,
    ),
    peer(
        "redis-everysec",
        "Redis list (BLMOVE), AOF everysec",
        Durability::Bounded,
        REDIS,
    ),
    peer(
        "redis-off",
        "Redis list (BLMOVE), AOF off",
        Durability::Memory,
        REDIS,
    ),
    peer(
        "redis-stream-always",
        "Redis stream, AOF always",
        Durability::Always,
        REDIS,
    ),
    peer(
        "redis-stream-everysec",
        "Redis stream, AOF everysec",
        Durability::Bounded,
        REDIS,
    ),
    peer(
        "nats",
        "NATS JetStream, file, answered acks",
        Durability::Unbounded,
        NATS,
    ),
    peer(
        "nats-plain",
        "NATS JetStream, file, plain acks",
        Durability::Unbounded,
        NATS,
    ),
    peer(
        "rabbitmq",
        "RabbitMQ quorum queue, confirms",
        Durability::Always,
        RABBITMQ,
    ),
    peer(
        "postgres",
        "PostgreSQL SKIP LOCKED, lease = transaction",
        Durability::Always,
        POSTGRES,
    ),
    peer(
        "postgres-column",
        "PostgreSQL SKIP LOCKED, lease = column",
        Durability::Always,
        POSTGRES,
    ),
    peer(
        "python",
        "Python managers (put and get)",
        Durability::Memory,
        PYTHON,
    ),
];

type Source = (&'static str, &'static str);
const BEANSTALKD: Source = ("beanstalkd", "beanstalkd");
const REDIS: Source = ("redis-server", "redis-server");
const NATS: Source = ("nats-server", "nats-server");
const RABBITMQ: Source = ("rabbitmq-server", "rabbitmq-server");
const POSTGRES: Source = ("postgres", "postgresql");
const PYTHON: Source = ("python3", "python3");

const fn subject(
    name: &'static str,
    what: &'static str,
    durability: Durability,
    program: &'static str,
    package: &'static str,
) -> Subject {
    Subject {
        name,
        what,
        durability,
        program,
        package,
    }
}

const fn peer(
    name: &'static str,
    what: &'static str,
    durability: Durability,
    (program, package): Source,
) -> Subject {
    subject(name, what, durability, program, package)
}

impl Subject {
    /// By its name.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        let found = SUBJECTS.iter().find(|subject| subject.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
            format!("there is no {name:?}; there are {}", names.join(", "))
        })
    }

    /// Whether it is leaseq itself.
    pub(crate) fn is_leaseq(&self) -> bool {
        self.program.is_empty()
    }

    /// Whether the scenario can be measured with it: Python's own driver fills nothing.
    pub(crate) fn can(&self, shape: Shape) -> bool {
        !(self.name == "python" && matches!(shape, Shape::Backlog(_)))
    }

    /// The program of a peer, or what to do to have it.
    pub(crate) fn program(&self) -> Result<PathBuf, String> {
        if !cfg!(feature = "peers") {
            return Err("absent: build with --features peers".to_owned());
        }
        let package = self.package;
        find_program(self.program, &folders(self.program))
            .ok_or_else(|| format!("absent: apt-get install --no-install-recommends {package}"))
    }
}

/// Where Debian has programs that are not for everyone's PATH.
fn folders(program: &str) -> Vec<PathBuf> {
    let mut folders = match program {
        "rabbitmq-server" => vec![PathBuf::from("/usr/lib/rabbitmq/bin")],
        "postgres" => std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|version| version.path().join("bin"))
            .collect(),
        _ => Vec::new(),
    };
    folders.sort();
    folders.reverse();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_found_by_its_name() {
        for subject in SUBJECTS {
            assert_eq!(
                Subject::find(subject.name).map(|found| found.what),
                Ok(subject.what)
            );
        }
        assert!(Subject::find("nothing").is_err());
    }
}
