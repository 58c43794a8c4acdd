//! Files that the operating system cannot make or remove for now (no descriptors, no
//! memory) cost room until it can, and nothing else.

#![allow(clippy::unwrap_used)] // A test may panic.

mod support;

use std::time::{Duration, Instant};

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::{Fault, FaultyDisk};
use leaseq_store::{Compaction, Space, Store};
use support::{loaded, run};

#[test]
fn a_file_that_cannot_be_made_or_removed_once_ends_nothing() {
    for n in 1.. {
        let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
        let mut journal = loaded(&mut trial, &disk);
        let mut workload = Workload::new(9, 1_000);
        disk.fail_at(n, Fault::BusyDirectory);
        run(&mut trial, &mut journal, &mut workload, 60).unwrap();
        trial.check_contents(&mut journal).unwrap();
        let happened = disk.has_failed();
        drop(journal);
        disk.kill();
        let mut journal = loaded(&mut trial, &disk);
        trial.check_contents(&mut journal).unwrap();
        if !happened {
            assert!(n > 100, "{n} places to fail at");
            break;
        }
    }
}

#[test]
fn while_no_file_can_be_made_the_room_ends_and_the_report_says_why() {
    let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
    let mut journal = loaded(&mut trial, &disk);
    let mut workload = Workload::new(9, 1_000);
    disk.fail_from(1, Fault::BusyDirectory);
    // The spare is there, so one more segment can be begun.
    let report = loop {
        let batch = workload.next(trial.model());
        let report = trial.commit(&mut journal, batch).unwrap().report;
        if report.space != Space::Enough {
            break report;
        }
    };
    let delayed = report.delayed.unwrap();
    assert_eq!(delayed.action, "cannot make a spare segment");
    assert!(report.delays > 0);

    disk.heal();
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        trial.compact(&mut journal, 100).unwrap();
        if let Compaction::Idle(report) = journal.compact().unwrap()
            && report.space == Space::Enough
        {
            assert_eq!(report.delayed, None);
            break;
        }
        assert!(Instant::now() < patience, "room does not come back");
        std::thread::yield_now();
    }
    trial.check_contents(&mut journal).unwrap();
}
