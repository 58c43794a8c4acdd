//! What can fail in a store, in sentences that help.

use std::path::PathBuf;

use leaseq_engine::id::JobSeq;

use super::Loss;

/// A job whose content cannot be read, now or later.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the content of the job cannot be read: {} is damaged at byte {offset}: {what}",
    file_name(path)
)]
pub struct DamagedContent {
    /// The job.
    pub job: JobSeq,
    /// The file.
    pub path: PathBuf,
    /// Where the batch that brought the content begins in it.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl StoreError {
    /// The job that the error is about. Then the store goes on and other contents can be
    /// read. `None`: the error is about the store.
    #[must_use]
    pub fn job(&self) -> Option<JobSeq> {
        if let Self::ContentDamaged(damaged) = self {
            return Some(damaged.job);
        }
        if let Self::ContentBusy { job, .. } | Self::NoContent { job } = self {
            return Some(*job);
        }
        None
    }
}

/// The name alone: masters and workers see this text, and the server's paths are none
/// of their business.
fn file_name(path: &std::path::Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// The batch is not durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another writer was first, or owns the namespace now. Nothing was written.
    #[error("another writer has appended to this namespace; this one must stop")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store failed. The texts say which file, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What came back.
        source: std::io::Error,
    },
    /// The directory cannot be used as it is; a person has to do something.
    #[error("{} {what}", path.display())]
    Unusable {
        /// The directory, or a file in it.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: &'static str,
    },
    /// Files were removed under the running process.
    #[error(
        "{} was removed while the server was running, and a restart would not find what is written to it; put the data directory back from a backup, or start with an empty --data",
        path.display()
    )]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses the directory.
    #[error(
        "the data directory {} is in use by another process; stop it, or give this one another --data",
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "{} has format version {found}, this leaseq knows up to {known}; start the newer leaseq again (nothing was changed)",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The highest known.
        known: u32,
    },
    /// Bytes are not what was written.
    #[error(
        "{} is damaged at byte {offset}: {what}; the data directory was not changed. `leaseq doctor {dir}` shows what is in it, and `leaseq doctor {dir} --salvage OUT` writes what can be saved to a new one",
        path.display(),
        dir = path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The newest segments are missing.
    #[error(
        "the data directory {} has lost acknowledged jobs: {loss}; nothing was changed. Put the missing files back, or start once with --accept-loss to go on without them",
        dir.display()
    )]
    Lost {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        loss: Loss,
    },
    /// The replayed transitions contradict each other.
    #[error(
        "{what}; the data directory was not changed. `leaseq doctor DIR` shows what is in it, and `leaseq doctor DIR --salvage OUT` writes what can be saved to a new one"
    )]
    Contradiction {
        /// What is wrong.
        what: String,
    },
    /// A batch does not fit what the format can hold.
    #[error("{what} is too large for the journal; lower limits.request_bytes")]
    TooLarge {
        /// What.
        what: String,
    },
    /// The program contradicts itself.
    #[error("a bug in leaseq: {what}; please report it")]
    Bug {
        /// What was found.
        what: String,
    },
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {what}")]
    Entropy {
        /// What it said.
        what: String,
    },
    /// The content of a job cannot be read, now or later.
    #[error(transparent)]
    ContentDamaged(#[from] DamagedContent),
    /// The content of a job cannot be read at the moment; it is not damaged.
    #[error("cannot read the content of a job from {} for now: {source}", path.display())]
    ContentBusy {
        /// The job.
        job: JobSeq,
        /// The file.
        path: PathBuf,
        /// What came back.
        source: std::io::Error,
    },
    /// No content of this job.
    #[error("the store has no content for job number {}", job.0)]
    NoContent {
        /// The job.
        job: JobSeq,
    },
    /// An earlier error was final.
    #[error("the store failed before and accepts nothing more; restart the server")]
    Failed,
}
