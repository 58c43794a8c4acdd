//! A directory of the operating system.
//!
//! The lock is the file `LOCK`, locked as long as the value lives; its being there
//! says nothing, so that a killed server leaves nothing to clean up. It is never
//! removed: two processes that lock two files of the same name would both have it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile, platform};
use crate::seam::StoreError;

const LOCK: &str = "LOCK";

/// A directory of the operating system, locked against every other process.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    read_only: bool,
    /// `None`: read only, and nobody has ever locked it.
    _lock: Option<File>,
}

/// An open file of a `RealDisk`.
#[derive(Clone, Debug)]
pub struct RealFile(Arc<File>);

impl RealDisk {
    /// Takes the directory, and makes it and its parents if need be.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made or written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        make_dirs(dir)?;
        platform::check_writable(dir).map_err(|e| explain("write to", dir, e))?;
        let path = dir.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        platform::private_file(&mut options);
        let lock = options.open(&path).map_err(|e| explain("open", &path, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            read_only: false,
            _lock: Some(take(lock, dir)?),
        })
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
        let path = dir.join(LOCK);
        let lock = match File::open(&path) {
            Ok(lock) => Some(take(lock, dir)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(explain("open", &path, e)),
        };
        Ok(Self {
            dir: dir.to_owned(),
            read_only: true,
            _lock: lock,
        })
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
        if let Err(error) = platform::reserve(&file, bytes) {
            drop(file);
            // The first error is the one to tell; a file that stays is seen by `list`.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(RealFile(Arc::new(file)))
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(!self.read_only)
            .open(self.path(name))?;
        Ok(RealFile(Arc::new(file)))
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
            if name != LOCK {
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
        fs::rename(self.path(from), to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_not_read_only()?;
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        platform::sync_dir(&self.dir)
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
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        platform::read_exact_at(&self.0, buffer, offset)
    }

    fn data_from(&self, at: u64) -> io::Result<Option<u64>> {
        platform::data_from(&self.0, at)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        platform::write_all_at(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
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
    platform::sync_dir(parent).map_err(|e| explain("sync", parent, e))
}

fn take(lock: File, dir: &Path) -> Result<File, StoreError> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(e)) => Err(explain("lock", &dir.join(LOCK), e)),
    }
}

/// The causes that a person can do something about, and what.
const UNUSABLE: [(io::ErrorKind, &str); 7] = [
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
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(&dir.path().join("a/b/data")).unwrap();
        (dir, disk)
    }

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let (dir, first) = disk();
        let path = dir.path().join("a/b/data");
        for second in [RealDisk::open(&path), RealDisk::open_read_only(&path)] {
            let error = second.expect_err("locked");
            assert!(matches!(error, StoreError::Locked { .. }), "{error}");
            assert!(error.to_string().contains("in use by another process"));
        }
        drop(first);
        RealDisk::open(&path).unwrap();
    }

    #[test]
    fn a_new_file_is_zeros_and_has_its_whole_length() {
        let (_dir, disk) = disk();
        let file = disk.create("one", 10_000).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);
        file.write_all_at(b"hello", 9_000).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir().unwrap();
        let mut read = [1; 8];
        let again = disk.open("one").unwrap();
        again.read_exact_at(&mut read, 8_998).unwrap();
        assert_eq!(&read, b"\0\0hello\0");
        let past = again.read_exact_at(&mut read, 9_996).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn names_are_never_replaced() {
        let (_dir, disk) = disk();
        disk.create("one", 1).unwrap();
        disk.create("two", 1).unwrap();
        let create = disk.create("one", 1).unwrap_err();
        let rename = disk.rename("one", "two").unwrap_err();
        assert_eq!(create.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(rename.kind(), io::ErrorKind::AlreadyExists);
        disk.rename("one", "three").unwrap();
        disk.remove("two").unwrap();
        // Neither the lock nor a directory is a file of the store.
        fs::create_dir(disk.path("lost+found")).unwrap();
        assert_eq!(disk.list().unwrap(), ["three"]);
    }

    #[test]
    fn no_room_leaves_no_file() {
        let (_dir, disk) = disk();
        // More than any file may have.
        disk.create("huge", i64::MAX as u64).unwrap_err();
        assert!(disk.list().unwrap().is_empty());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let text = RealDisk::open(&path).unwrap_err().to_string();
            assert!(text.contains("is not a directory"), "{text}");
        }
        let missing = RealDisk::open_read_only(&dir.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("is not there"), "{missing}");
    }

    #[test]
    fn read_only_changes_nothing() {
        let (dir, disk) = disk();
        disk.create("one", 4).unwrap();
        drop(disk);
        let disk = RealDisk::open_read_only(&dir.path().join("a/b/data")).unwrap();
        let file = disk.open("one").unwrap();
        file.read_exact_at(&mut [0; 4], 0).unwrap();
        file.write_all_at(b"x", 0).unwrap_err();
        disk.create("two", 4).unwrap_err();
        disk.rename("one", "two").unwrap_err();
        disk.remove("one").unwrap_err();
        assert_eq!(disk.list().unwrap(), ["one"]);
    }
}
