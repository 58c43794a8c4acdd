//! Files are used again: what an earlier use has left in one is nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::FaultyDisk;
use support::{journal, loaded, run};

/// Bytes of the zeros behind a batch.
const ZEROS: usize = 56;

fn segments(disk: &FaultyDisk) -> Vec<String> {
    let mut names = disk.names();
    names.retain(|name| name.ends_with(".seg"));
    names
}

/// The end of the last byte that is not zero, where batches begin.
fn end(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    (last + 1).next_multiple_of(8)
}

/// Whole batches of another segment, in all places where a batch may begin.
#[test]
fn old_batches_behind_the_last_one_are_nothing() {
    let (stopped, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &stopped);
    let mut workload = Workload::new(3, 1_000);
    while segments(&stopped).len() < 3 {
        let batch = workload.next(trial.model());
        trial.commit(&mut journal, batch).unwrap();
    }
    run(&mut trial, &mut journal, &mut workload, 1).unwrap();
    drop(journal);
    stopped.kill();
    let names = segments(&stopped);
    let old = stopped.read_file(&names[0]).unwrap();
    let name = names.last().unwrap();
    let blank = stopped.read_file(name).unwrap();
    let behind = end(&blank) + ZEROS;
    assert!(behind + 1_000 < blank.len(), "there is room behind it");
    for at in (behind..behind + 256).step_by(8) {
        let disk = stopped.fork();
        let mut bytes = blank.clone();
        let room = bytes.len() - at;
        bytes[at..].copy_from_slice(&old[64..64 + room]);
        disk.write_file(name, bytes);
        let mut trial = trial.clone();
        let mut journal = support::journal(&disk);
        assert_eq!(trial.load(&mut journal).unwrap().torn_bytes, 0, "{at}");
        // What comes next is written over it.
        run(&mut trial, &mut journal, &mut workload.clone(), 4).unwrap();
        drop(journal);
        let mut journal = support::journal(&disk);
        assert_eq!(trial.load(&mut journal).unwrap().torn_bytes, 0, "{at}");
        trial.check_contents(&mut journal).unwrap();
    }
}

/// The next segments are written into the files of those that are gone, as long as
/// nothing stays.
#[test]
fn no_file_is_made_anew_for_what_does_not_stay() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = journal(&disk);
    trial.load(&mut journal).unwrap();
    let mut workload = Workload::new(11, 2_000);
    let (mut begun, mut reused) = (0, 0);
    let mut before = segments(&disk);
    for _ in 0..400 {
        let batch = workload.next(trial.model());
        trial.commit(&mut journal, batch).unwrap();
        let jobs = trial.model().kept();
        let gone = leaseq_engine::transition::Transition::JobsRemoved { jobs };
        trial.commit_all(&mut journal, vec![gone]).unwrap();
        trial.compact(&mut journal, 20).unwrap();
        let now = segments(&disk);
        if now.last() != before.last() {
            let bytes = disk.read_file(now.last().unwrap()).unwrap();
            let is_used = |half: &[u8]| half.iter().any(|byte| *byte != 0);
            (begun, reused) = (
                begun + 1,
                reused + u32::from(is_used(&bytes[bytes.len() / 2..])),
            );
        }
        before = now;
    }
    assert!(
        begun > 20 && reused > begun * 3 / 4,
        "{reused} of {begun} in used files"
    );
}
