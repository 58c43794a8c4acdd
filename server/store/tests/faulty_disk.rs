//! The faulty disk loses what a real one may lose, and nothing else: a test on it is
//! worth as much as this.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

use std::collections::BTreeSet;
use std::io;

use leaseq_store::disk::{Disk, DiskFile, Fault, FaultyDisk, FaultyFile};

const SEEDS: u64 = 300;

/// A disk with a durable file of `len` zeros.
fn disk_with(name: &str, len: u64) -> (FaultyDisk, FaultyFile) {
    let disk = FaultyDisk::new();
    let file = disk.create(name, len).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir().unwrap();
    (disk, file)
}

/// Every survivor of a power cut now, over many seeds.
fn survivors<T: Ord>(disk: &FaultyDisk, look: impl Fn(&FaultyDisk) -> T) -> BTreeSet<T> {
    let survivor = |seed| {
        let disk = disk.fork();
        disk.crash(seed);
        look(&disk)
    };
    (0..SEEDS).map(survivor).collect()
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    let (disk, file) = disk_with("a", 2048);
    file.write_all_at(&[7; 1000], 600).unwrap();
    file.sync_data().unwrap();
    let all = survivors(&disk, |disk| disk.read_file("a").unwrap());
    let mut expected = vec![0; 2048];
    expected[600..1600].fill(7);
    assert_eq!(all, BTreeSet::from([expected]));
}

#[test]
fn unsynced_writes_survive_in_any_part_and_order() {
    let (disk, file) = disk_with("a", 4 * 512);
    file.write_all_at(&[1; 1024], 0).unwrap();
    file.write_all_at(&[2; 1024], 1024).unwrap();
    // One letter per sector.
    let sectors = |disk: &FaultyDisk| {
        let bytes = disk.read_file("a").unwrap();
        let sectors = bytes.chunks(512).map(|sector| {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "whole");
            sector[0]
        });
        sectors.collect::<Vec<u8>>()
    };
    let all = survivors(&disk, sectors);
    assert_eq!(all.len(), 16, "every combination of four sectors: {all:?}");
    // Of a sector that was written twice, any state may be the durable one.
    file.write_all_at(&[3; 512], 0).unwrap();
    let first: BTreeSet<u8> = survivors(&disk, sectors).iter().map(|s| s[0]).collect();
    assert_eq!(first, BTreeSet::from([0, 1, 3]));
}

#[test]
fn a_name_is_durable_only_after_its_directory_was_synced() {
    let disk = FaultyDisk::new();
    let file = disk.create("a", 512).unwrap();
    file.sync_data().unwrap();
    let names = |disk: &FaultyDisk| disk.names().join(" ");
    assert_eq!(
        survivors(&disk, names),
        ["", "a"].map(String::from).into(),
        "a synced file without a durable name may be gone"
    );
    disk.sync_dir().unwrap();
    disk.create("b", 512).unwrap();
    disk.rename("a", "c").unwrap();
    let all = survivors(&disk, names);
    assert_eq!(all, ["a", "a b", "b c", "c"].map(String::from).into());
    disk.sync_dir().unwrap();
    disk.remove("c").unwrap();
    assert_eq!(
        survivors(&disk, names),
        ["b", "b c"].map(String::from).into()
    );
}

#[test]
fn a_name_may_survive_without_the_length_of_its_file() {
    let disk = FaultyDisk::new();
    disk.create("a", 2048).unwrap();
    disk.sync_dir().unwrap();
    let all = survivors(&disk, |disk| disk.read_file("a").unwrap().len());
    assert_eq!(all, BTreeSet::from([0, 512, 1024, 1536, 2048]));
}

#[test]
fn the_same_seeds_leave_the_same() {
    let run = || {
        let (disk, file) = disk_with("a", 8192);
        for n in 0..10_u8 {
            file.write_all_at(&[n; 700], u64::from(n) * 731).unwrap();
        }
        disk.fail_at(1, Fault::TornWrite);
        file.write_all_at(&[99; 700], 7000).unwrap_err();
        disk.crash(17);
        disk.read_file("a").unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn what_was_opened_before_a_crash_is_dead() {
    let (disk, file) = disk_with("a", 512);
    let old = disk.clone();
    disk.crash(1);
    file.write_all_at(b"x", 0).unwrap_err();
    file.read_exact_at(&mut [0], 0).unwrap_err();
    old.create("b", 1).unwrap_err();
    disk.create("b", 1).unwrap();
    old.clone().open("a").unwrap().len().unwrap();
    // A killed process loses its handles and nothing else.
    let file = disk.open("a").unwrap();
    file.write_all_at(b"unsynced", 0).unwrap();
    disk.kill();
    file.sync_data().unwrap_err();
    assert_eq!(&disk.read_file("a").unwrap()[..8], b"unsynced");
    let lost = survivors(&disk, |disk| disk.read_file("a").unwrap()[0]);
    assert_eq!(lost, BTreeSet::from([0, b'u']), "a kill syncs nothing");
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let (disk, file) = disk_with("a", 2048);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        file.write_all_at(&[2; 2048], 0).unwrap();
        disk.fail_at(1, Fault::Io);
        file.sync_data().unwrap_err();
        file.sync_data().expect("as on Linux, the next one says Ok");
        seen.extend(survivors(&disk, |disk| disk.read_file("a").unwrap()[0]));
        file.write_all_at(&[0; 2048], 0).unwrap();
        file.sync_data().unwrap();
    }
    assert!(seen.len() > 1, "sometimes it is lost: {seen:?}");
}

#[test]
fn there_is_only_so_much_room() {
    let disk = FaultyDisk::new();
    disk.capacity(1000);
    let file = disk.create("a", 600).unwrap();
    let full = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::StorageFull;
    assert!(full(disk.create("b", 500).map(drop)));
    assert_eq!(disk.names(), ["a"], "nothing of it is left");
    file.write_all_at(&[1; 600], 0).unwrap();
    assert!(full(file.write_all_at(&[1; 401], 600)));
    file.write_all_at(&[1; 400], 600).unwrap();
    disk.capacity(2000);
    disk.create("b", 500).unwrap();
    disk.remove("a").unwrap();
    assert_eq!(disk.used(), 500);
}

#[test]
fn faults_come_when_they_are_planned() {
    let (disk, file) = disk_with("a", 512);
    disk.fail_at(2, Fault::NoSpace);
    file.write_all_at(b"1", 0).unwrap();
    assert!(!disk.has_failed());
    file.len()
        .expect("a length needs no room: the next write does");
    let error = file.write_all_at(b"2", 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(disk.has_failed());
    file.write_all_at(b"3", 0).unwrap();
    disk.fail_from(1, Fault::Io);
    for _ in 0..3 {
        disk.list().unwrap_err();
        file.sync_data().unwrap_err();
    }
    disk.heal();
    disk.list().unwrap();
}

#[test]
fn after_a_power_cut_nothing_works_until_the_next_start() {
    let (disk, file) = disk_with("a", 512);
    disk.fail_at(2, Fault::PowerCut);
    file.write_all_at(b"x", 0).unwrap();
    file.sync_data().unwrap_err();
    file.len().unwrap_err();
    disk.sync_dir().unwrap_err();
    let all = survivors(&disk, |disk| disk.read_file("a").unwrap()[0]);
    assert_eq!(all, BTreeSet::from([0, b'x']));
    disk.crash(3);
    disk.open("a").unwrap().len().unwrap();
}

#[test]
fn damage_is_durable() {
    let (disk, _) = disk_with("a", 512);
    disk.flip_bit("a", 8 * 100 + 3);
    disk.crash(1);
    assert_eq!(disk.read_file("a").unwrap()[100], 8);
    disk.truncate("a", 10);
    disk.write_file("b", vec![1, 2]);
    disk.crash(1);
    assert_eq!(disk.read_file("a").unwrap().len(), 10);
    assert_eq!(disk.read_file("b").unwrap(), [1, 2]);
}
