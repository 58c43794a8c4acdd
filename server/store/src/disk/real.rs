//! A directory of the operating system.
//!
//! The lock is the file `LOCK`, locked as long as the value lives; its being there
//! says nothing, so that a killed server leaves nothing to clean up. It is never
//! removed: two processes that lock two files of the same name would both have it. The
//! directory itself is locked as well, so that nobody else starts in it if `LOCK` is removed
//! all the same.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Disk, DiskFile, platform};
use crate::seam::{Shortcomings, StoreError};

/// The name of the file that is locked.
pub(crate) const LOCK_NAME: &str = "LOCK";

/// A directory of the operating system, locked against every other process.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    read_only: bool,
    /// `None`: read only, and nobody has ever locked it.
    lock: Option<File>,
    /// The directory itself: it is synced without opening it again. `None`: the operating
    /// system has no such thing.
    directory: Option<File>,
    directory_locked: bool,
    file_system: platform::FileSystem,
    no_preallocation: AtomicBool,
    copies_on_write: AtomicBool,
}

/// An open file of a `RealDisk`.
#[derive(Clone, Debug)]
pub struct RealFile {
    file: Arc<File>,
    written_in_place: bool,
}

impl RealDisk {
    /// Takes the directory, and makes it and its parents if need be.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made or written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        make_dirs(dir)?;
        platform::check_writable(dir).map_err(|e| explain("write to", dir, e))?;
        let path = dir.join(LOCK_NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        platform::private_file(&mut options);
        let lock = options.open(&path).map_err(|e| explain("open", &path, e))?;
        Self::owned(dir, false, Some(lock))
    }

    /// Takes the directory without changing anything in it, now or later.
    ///
    /// # Errors
    /// When another process has it, or it is not there or cannot be read.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let meta = fs::metadata(dir).map_err(|e| explain("open", dir, e))?;
        if !meta.is_dir() {
            return Err(explain("open", dir, io::ErrorKind::NotADirectory.into()));
        }
        let path = dir.join(LOCK_NAME);
        let lock = match File::open(&path) {
            Ok(lock) => Some(lock),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(explain("open", &path, e)),
        };
        Self::owned(dir, true, lock)
    }

    /// Locks what can be locked.
    fn owned(dir: &Path, read_only: bool, lock: Option<File>) -> Result<Self, StoreError> {
        let lock = lock.map(|lock| take(lock, dir)).transpose()?;
        let directory = platform::open_dir(dir).map_err(|e| explain("open", dir, e))?;
        let directory_locked = match directory.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => {
                return Err(StoreError::Locked {
                    path: dir.to_owned(),
                });
            }
            // NFS locks only what is open for writing.
            Some(Err(TryLockError::Error(_))) => false,
            Some(Ok(())) | None => true,
        };
        let file_system = directory.as_ref().map(platform::file_system);
        Ok(Self {
            dir: dir.to_owned(),
            read_only,
            lock,
            directory,
            directory_locked,
            file_system: file_system.unwrap_or_default(),
            no_preallocation: AtomicBool::new(false),
            copies_on_write: AtomicBool::new(false),
        })
    }

    fn file(&self, file: File) -> RealFile {
        let in_place = !self.file_system.copy_on_write || platform::is_written_in_place(&file);
        RealFile {
            file: Arc::new(file),
            written_in_place: in_place,
        }
    }

    fn check_not_read_only(&self) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<RealFile> {
        self.check_not_read_only()?;
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        platform::private_file(&mut options);
        let file = options.open(&path)?;
        if self.file_system.copy_on_write {
            platform::write_in_place(&file);
        }
        match platform::reserve(&file, bytes) {
            Ok(true) => {}
            Ok(false) => self.no_preallocation.store(true, Ordering::Relaxed),
            Err(error) => {
                drop(file);
                // The first error is the one to tell; a file that stays is seen by `list`.
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        }
        let file = self.file(file);
        if !file.written_in_place {
            self.copies_on_write.store(true, Ordering::Relaxed);
        }
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(!self.read_only)
            .open(self.path(name))?;
        Ok(self.file(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Not `lost+found`, if the directory is a file system of its own.
            if entry.file_type()?.is_dir() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != LOCK_NAME {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_not_read_only()?;
        let to = self.path(to);
        // Nobody else writes here, so that looking first is enough.
        if fs::symlink_metadata(&to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let from = self.path(from);
        let is_done = || !from.exists() && to.exists();
        uninterrupted(|| fs::rename(&from, &to), is_done)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_not_read_only()?;
        let path = self.path(name);
        uninterrupted(|| fs::remove_file(&path), || !path.exists())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.directory.as_ref().map_or(Ok(()), File::sync_all)
    }

    fn is_removed(&self) -> io::Result<bool> {
        self.lock.as_ref().map_or(Ok(false), platform::is_removed)
    }

    fn shortcomings(&self) -> Shortcomings {
        Shortcomings {
            no_preallocation: self.no_preallocation.load(Ordering::Relaxed),
            no_directory_lock: !self.directory_locked,
            copy_on_write: self.copies_on_write.load(Ordering::Relaxed),
            network: self.file_system.network,
        }
    }

    fn random(&self) -> u32 {
        // The keys of each are random.
        (RandomState::new().build_hasher().finish() >> 32) as u32
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        platform::read_exact_at(&self.file, buffer, offset)
    }

    fn data_from(&self, at: u64) -> io::Result<Option<u64>> {
        platform::data_from(&self.file, at)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        platform::write_all_at(&self.file, bytes, offset)
    }

    /// The standard library tries again what a signal has interrupted, as it does with
    /// reads and writes: nothing was told to be lost then.
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn is_removed(&self) -> io::Result<bool> {
        platform::is_removed(&self.file)
    }

    fn is_written_in_place(&self) -> bool {
        self.written_in_place
    }
}

/// Tries again what a signal interrupts, which some network file systems let happen. It may
/// have been done all the same.
fn uninterrupted(
    mut change: impl FnMut() -> io::Result<()>,
    is_done: impl Fn() -> bool,
) -> io::Result<()> {
    loop {
        match change() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if is_done() {
                    return Ok(());
                }
            }
            result => return result,
        }
    }
}

/// Makes `dir` and what is missing above it, each durable before the next relies
/// on it.
fn make_dirs(dir: &Path) -> Result<(), StoreError> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => return Err(explain("open", dir, io::ErrorKind::NotADirectory.into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(explain("open", dir, e)),
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_dirs(parent)?;
    let mut builder = DirBuilder::new();
    platform::private_dir(&mut builder);
    match builder.create(dir) {
        Ok(()) => {}
        // Another start was faster; the lock will tell.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(e) => return Err(explain("create", dir, e)),
    }
    let synced = platform::open_dir(parent);
    let synced = synced.and_then(|parent| parent.map_or(Ok(()), |parent| parent.sync_all()));
    synced.map_err(|e| explain("sync", parent, e))
}

fn take(lock: File, dir: &Path) -> Result<File, StoreError> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(e)) => Err(explain("lock", &dir.join(LOCK_NAME), e)),
    }
}

/// The causes that a person can do something about, and what.
const UNUSABLE: [(io::ErrorKind, &str); 8] = [
    (io::ErrorKind::NotFound, "is not there: check the path"),
    (io::ErrorKind::NotADirectory, NOT_A_DIRECTORY),
    // A file, or a link that leads nowhere, has the name.
    (io::ErrorKind::AlreadyExists, NOT_A_DIRECTORY),
    (
        io::ErrorKind::PermissionDenied,
        "may not be used by this user: change its owner, or give another --data",
    ),
    (
        io::ErrorKind::ReadOnlyFilesystem,
        "is on a read-only file system: mount it writable, or give another --data",
    ),
    (
        io::ErrorKind::Unsupported,
        "is on a file system without locks, where a second server could not be kept out: give a --data on a local disk",
    ),
    (io::ErrorKind::StorageFull, FULL),
    (io::ErrorKind::QuotaExceeded, FULL),
];

const NOT_A_DIRECTORY: &str = "is not a directory: move it away, or give another --data";
const FULL: &str = "is on a full disk: make room, or give another --data";

fn explain(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match UNUSABLE.iter().find(|(kind, _)| *kind == source.kind()) {
        Some((_, what)) => StoreError::Unusable { path, what },
        None => StoreError::Io {
            action,
            path,
            source,
        },
    }
}

#[cfg(test)]
mod tests;
