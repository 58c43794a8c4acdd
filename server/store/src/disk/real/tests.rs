//! A directory of the operating system: locks, names, files.

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
fn nobody_else_starts_when_the_lock_was_removed() {
    let (dir, first) = disk();
    let path = dir.path().join("a/b/data");
    assert!(!first.is_removed().unwrap());
    fs::remove_file(path.join(LOCK_NAME)).unwrap();
    assert!(first.is_removed().unwrap());
    for second in [RealDisk::open(&path), RealDisk::open_read_only(&path)] {
        let error = second.expect_err("locked");
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
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
