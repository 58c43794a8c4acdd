//! The seam to the disk: what the journal asks of a directory and its files, no
//! more. `RealDisk` is a directory; `FaultyDisk` is its twin in memory that loses,
//! tears and refuses what a real one may.

use std::io;
use std::path::PathBuf;

mod faulty;
mod platform;
mod real;

pub use faulty::{Fault, FaultyDisk, FaultyFile, Operations};
pub(crate) use real::LOCK_NAME;
pub use real::{RealDisk, RealFile};

use crate::seam::Shortcomings;

/// One directory, owned by this process alone.
pub trait Disk: Send + 'static {
    /// An open file.
    type File: DiskFile;

    /// Creates a file of `bytes` zeros with its space set aside. Neither the name
    /// nor the size is durable before the file and the directory are synced.
    ///
    /// # Errors
    /// When it exists, or there is no room: then nothing of it is left.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// When it does not exist or may not be opened.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names of the files in the directory, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Renames a file, replacing none. Not durable before `sync_dir`.
    ///
    /// # Errors
    /// When the operating system says no.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Not durable before `sync_dir`.
    ///
    /// # Errors
    /// When the operating system says no.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable.
    ///
    /// # Errors
    /// When the operating system says no: what is durable is then unknown.
    fn sync_dir(&self) -> io::Result<()>;

    /// Whether somebody has removed the files of this directory while it was in use.
    ///
    /// # Errors
    /// When the operating system does not tell.
    fn is_removed(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// What the file system lacks, as far as it is known by now.
    fn shortcomings(&self) -> Shortcomings {
        Shortcomings::default()
    }

    /// A number that whoever sends data to the server cannot foresee.
    fn random(&self) -> u32;

    /// The full path of a name, for texts.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file. Clones are the same file.
#[allow(clippy::len_without_is_empty)] // Nobody asks whether a segment is empty.
pub trait DiskFile: Clone + Send + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// When the operating system says no.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When the file is shorter, or cannot be read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The first place from `at` on that may hold anything but zeros, as far as the
    /// system can tell without reading: all between is zeros. `None`: the rest is.
    ///
    /// # Errors
    /// When the operating system says no.
    fn data_from(&self, at: u64) -> io::Result<Option<u64>> {
        Ok(Some(at))
    }

    /// Writes all of `bytes` at `offset`. Not durable before `sync_data`.
    ///
    /// # Errors
    /// When not all of it could be written: what the file holds is then unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Whether it has no name any more: a restart would not find it.
    ///
    /// # Errors
    /// When the operating system does not tell.
    fn is_removed(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether a block that is written again takes no new space.
    fn is_written_in_place(&self) -> bool {
        true
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When it is not: what the disk holds is then unknown, and trying again
    /// would say Ok without making it so.
    fn sync_data(&self) -> io::Result<()>;
}
