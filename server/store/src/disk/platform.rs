//! What operating systems do differently. The only place in this crate that asks
//! which one it is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::Access;

    /// Payloads are other people's data: only the owner reads them.
    pub(super) fn private_file(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(super) fn private_dir(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// Says no where files could not be created: without the right to, or on a
    /// read-only file system.
    pub(super) fn check_writable(dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    pub(super) fn open_dir(dir: &Path) -> io::Result<Option<File>> {
        File::open(dir).map(Some)
    }

    pub(super) fn is_removed(file: &File) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;

        Ok(file.metadata()?.nlink() == 0)
    }
}

#[cfg(windows)]
mod system {
    use std::fs::{DirBuilder, File, OpenOptions};
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    /// New files inherit the access list of the directory.
    pub(super) fn private_file(_options: &mut OpenOptions) {}

    pub(super) fn private_dir(_builder: &mut DirBuilder) {}

    pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (mut rest, mut at) = (buffer, offset);
        while !rest.is_empty() {
            match file.seek_read(rest, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    at += n as u64;
                    rest = rest.get_mut(n..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut rest, mut at) = (bytes, offset);
        while !rest.is_empty() {
            match file.seek_write(rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    at += n as u64;
                    rest = rest.get(n..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn check_writable(_dir: &Path) -> io::Result<()> {
        Ok(())
    }

    /// NTFS writes names through its own log, and a directory cannot be flushed
    /// without special rights: there is nothing to open.
    pub(super) fn open_dir(_dir: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    /// A file that is open cannot be removed.
    pub(super) fn is_removed(_file: &File) -> io::Result<bool> {
        Ok(false)
    }
}

/// Files created with `options` are for their owner alone.
pub(super) fn private_file(options: &mut OpenOptions) {
    system::private_file(options);
}

/// Directories made by `builder` are for their owner alone.
pub(super) fn private_dir(builder: &mut DirBuilder) {
    system::private_dir(builder);
}

pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    system::read_exact_at(file, buffer, offset)
}

pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    system::write_all_at(file, bytes, offset)
}

/// Whether files can be created in `dir`, as far as it can be known beforehand.
pub(super) fn check_writable(dir: &Path) -> io::Result<()> {
    system::check_writable(dir)
}

/// The directory itself, to sync and lock it; `None` where there is no such thing.
pub(super) fn open_dir(dir: &Path) -> io::Result<Option<File>> {
    system::open_dir(dir)
}

/// Whether an open file has no name any more.
pub(super) fn is_removed(file: &File) -> io::Result<bool> {
    system::is_removed(file)
}

/// How a file system treats a block that is written again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct FileSystem {
    /// It writes it elsewhere, which takes new space.
    pub(super) copy_on_write: bool,
    /// It is on another machine.
    pub(super) network: bool,
}

#[cfg(target_os = "linux")]
pub(super) fn file_system(dir: &File) -> FileSystem {
    // From linux/magic.h and, for ZFS and bcachefs, their own sources.
    const COPY_ON_WRITE: [u32; 3] = [0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e];
    const NETWORK: [u32; 4] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400];

    let Ok(found) = rustix::fs::fstatfs(dir) else {
        return FileSystem::default();
    };
    // A number of 32 bits; its type is another on each machine, and may be signed.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let magic = found.f_type as u32;
    FileSystem {
        copy_on_write: COPY_ON_WRITE.contains(&magic),
        network: NETWORK.contains(&magic),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn file_system(_dir: &File) -> FileSystem {
    FileSystem::default()
}

/// Asks a file system that copies on write not to do it for this file, which is empty.
/// btrfs knows how, and keeps the flag.
#[cfg(target_os = "linux")]
pub(super) fn write_in_place(file: &File) {
    use rustix::fs::IFlags;

    if let Ok(flags) = rustix::fs::ioctl_getflags(file) {
        // What became of it is asked later, of every file.
        let _ = rustix::fs::ioctl_setflags(file, flags | IFlags::NOCOW);
    }
}

/// Whether blocks of this file are written in place although the file system copies on
/// write elsewhere.
#[cfg(target_os = "linux")]
pub(super) fn is_written_in_place(file: &File) -> bool {
    use rustix::fs::IFlags;

    rustix::fs::ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::NOCOW))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write_in_place(_file: &File) {}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_written_in_place(_file: &File) -> bool {
    false
}

/// Sets `bytes` zeros of `file`, which is empty, aside on the disk, so that no
/// later write into them can find it full. False: by writing them, as the file system
/// has no other way.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<bool> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;

    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            // NFS before 4.2, and some FUSE and overlay file systems.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                return write_zeros(file, bytes).map(|()| false);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sets `bytes` zeros of `file`, which is empty, aside on the disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<bool> {
    write_zeros(file, bytes).map(|()| false)
}

/// The first place from `at` on that was ever written, if the file system keeps
/// account of that; `None` if nothing was. What it cannot tell counts as written.
#[cfg(target_os = "linux")]
pub(super) fn data_from(file: &File, at: u64) -> io::Result<Option<u64>> {
    use rustix::fs::SeekFrom;
    use rustix::io::Errno;

    // It moves the file's own place, which nothing here reads or writes by.
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        Err(_) => Ok(Some(at)),
    }
}

/// The first place from `at` on that may have been written.
#[cfg(not(target_os = "linux"))]
pub(super) fn data_from(_file: &File, at: u64) -> io::Result<Option<u64>> {
    Ok(Some(at))
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    const CHUNK: &[u8] = &[0; 64 << 10];

    let mut at = 0;
    while at < bytes {
        let n = (bytes - at).min(CHUNK.len() as u64);
        let chunk = usize::try_from(n).ok().and_then(|n| CHUNK.get(..n));
        write_all_at(file, chunk.unwrap_or(CHUNK), at)?;
        at += n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_written_to_the_byte() {
        let file = tempfile::tempfile().unwrap();
        write_zeros(&file, (64 << 10) * 2 + 7).unwrap();
        assert_eq!(file.metadata().unwrap().len(), (64 << 10) * 2 + 7);
    }
}
