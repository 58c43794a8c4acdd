//! A power cut at any moment: every acknowledged batch is there, byte by byte; one
//! that was not acknowledged is there whole or not at all; the journal goes on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test may panic.

mod support;

use leaseq_store::conformance::{Trial, Workload};
use leaseq_store::disk::{Fault, FaultyDisk};
use leaseq_store::{Journal, JournalOptions, Position, Store, SyncPolicy};
use support::{SMALL, journal, loaded, run};

/// What the power cuts of a run have shown, so that no run passes without any.
#[derive(Debug, Default)]
struct Seen {
    torn: usize,
    whole: usize,
    absent: usize,
    in_load: usize,
}

/// Lives through some power cuts with random batches between them.
fn live_through_power_cuts(seed: u64, seen: &mut Seen) {
    let disk = FaultyDisk::new();
    let mut trial = Trial::new();
    let mut workload = Workload::new(seed, 3_000);
    for _ in 0..5 {
        disk.fail_at(1 + workload.below(250) as u64, Fault::PowerCut);
        let mut journal = journal(&disk);
        match trial.load(&mut journal) {
            Ok(_) => {
                let cut = run(&mut trial, &mut journal, &mut workload, 200);
                cut.expect_err("the power goes before all is done");
            }
            Err(_) => seen.in_load += 1,
        }
        let (acknowledged, committed) = (trial.acknowledged(), trial.next().0);
        assert!(committed - acknowledged <= 1, "one batch at a time");
        disk.crash(workload.below(usize::MAX) as u64);

        let mut journal = support::journal(&disk);
        let loaded = trial.load(&mut journal).unwrap();
        trial.check_contents(&mut journal).unwrap();
        seen.torn += usize::from(loaded.torn_bytes > 0);
        if committed > acknowledged {
            let is_whole = loaded.next.0 == committed;
            seen.whole += usize::from(is_whole);
            seen.absent += usize::from(!is_whole);
        }
    }
}

#[test]
fn acknowledged_batches_survive_power_cuts_at_random_moments() {
    let mut seen = Seen::default();
    for seed in 0..45 {
        live_through_power_cuts(seed, &mut seen);
    }
    let Seen {
        torn,
        whole,
        absent,
        in_load,
    } = seen;
    assert!(
        torn > 5 && whole > 5 && absent > 5 && in_load > 0,
        "{seen:?}"
    );
}

/// One short life, with compaction, and the power cut before every single operation.
#[test]
fn a_power_cut_is_survived_before_every_single_operation() {
    let disk = FaultyDisk::new();
    disk.record();
    let mut trial = Trial::new();
    let mut workload = Workload::new(5, 2_000);
    let mut journal = loaded(&mut trial, &disk);
    // The trial as it is while the disk is in some state.
    let mut trials: Vec<(u64, Trial)> = vec![(disk.operations().all, Trial::new())];
    let mut removed = 0;
    for n in 1..=120 {
        let batch = workload.next(trial.model());
        trial.commit(&mut journal, batch).unwrap();
        trials.push((disk.operations().all, trial.clone()));
        if n % 10 == 0 {
            // One step at a time, so that a batch is known for each.
            for _ in 0..20 {
                removed += trial.compact(&mut journal, 1).unwrap();
                trials.push((disk.operations().all, trial.clone()));
            }
        }
    }
    assert!(removed > 3, "{removed} segments were removed");
    let mut at = 0;
    for (operations, before) in disk.recorded() {
        while trials[at].0 <= operations && at + 1 < trials.len() {
            at += 1;
        }
        let acknowledged = at
            .checked_sub(1)
            .map_or(0, |at| trials[at].1.acknowledged());
        let mut trial = trials[at].1.clone();
        trial.forgive(Position(acknowledged));
        // Killed between two operations, nothing is half written.
        let mut killed = support::journal(&before.fork());
        assert_eq!(trial.clone().load(&mut killed).unwrap().torn_bytes, 0);
        let survivor = before.fork();
        survivor.crash(operations);
        goes_on(trial, &survivor, workload.clone(), operations);
    }
}

/// The survivor of a power cut says what it must, and so it does after a second one.
fn goes_on(mut trial: Trial, disk: &FaultyDisk, mut workload: Workload, seed: u64) {
    let mut journal = loaded(&mut trial, disk);
    trial.check_contents(&mut journal).unwrap();
    run(&mut trial, &mut journal, &mut workload, 1).unwrap();
    disk.crash(seed + 1);
    let mut journal = loaded(&mut trial, disk);
    trial.check_contents(&mut journal).unwrap();
}

#[test]
fn without_waiting_for_the_disk_a_power_cut_costs_the_newest_batches_only() {
    for (seed, policy) in (0..25).flat_map(|seed| [(seed, "os"), (seed, "interval:1ms")]) {
        let sync = policy.parse().unwrap();
        let options = JournalOptions { sync, ..SMALL };
        let disk = FaultyDisk::new();
        let mut trial = Trial::new();
        let mut workload = Workload::new(seed, 2_000);
        for turn in 0..6 {
            let mut journal = Journal::on(disk.clone(), options);
            trial.load(&mut journal).unwrap();
            let start = trial.next();
            // Often too few to begin a segment, which would sync the one before.
            let most = [4, 40][workload.below(2)];
            let batches = workload.below(most);
            run(&mut trial, &mut journal, &mut workload, batches).unwrap();
            if turn % 2 == 0 {
                disk.crash(seed);
                // A restart found everything before `start`, and made it durable.
                trial.forgive(start);
            } else {
                disk.kill();
            }
        }
        trial.load(&mut Journal::on(disk.clone(), options)).unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_whatever_the_policy() {
    for sync in [SyncPolicy::Always, SyncPolicy::Os] {
        let options = JournalOptions { sync, ..SMALL };
        let disk = FaultyDisk::new();
        let mut trial = Trial::new();
        let mut workload = Workload::new(8, 2_000);
        for _ in 0..5 {
            let mut journal = Journal::on(disk.clone(), options);
            let loaded = trial.load(&mut journal).unwrap();
            assert_eq!(
                loaded.torn_bytes, 0,
                "nothing is torn by a kill between batches"
            );
            trial.check_contents(&mut journal).unwrap();
            run(&mut trial, &mut journal, &mut workload, 40).unwrap();
            disk.kill();
        }
    }
}

#[test]
fn compaction_gives_the_space_back() {
    let disk = FaultyDisk::new();
    let mut trial = Trial::new();
    let mut workload = Workload::new(11, 8_000);
    let mut journal = loaded(&mut trial, &disk);
    let mut most = 0;
    for _ in 0..10 {
        run(&mut trial, &mut journal, &mut workload, 100).unwrap();
        most = most.max(disk.used());
    }
    let jobs = trial.model().kept();
    let end = leaseq_engine::transition::Transition::JobsRemoved { jobs };
    trial.commit_all(&mut journal, vec![end]).unwrap();
    trial.compact(&mut journal, 10_000).unwrap();
    assert!(
        most > 6 * SMALL.segment_bytes,
        "there was something: {most}"
    );
    assert!(
        disk.used() <= 4 * SMALL.segment_bytes,
        "{} bytes for nothing",
        disk.used()
    );
    disk.crash(1);
    let mut journal = loaded(&mut trial, &disk);
    assert!(trial.model().kept().is_empty());
    journal.contents(&[]).unwrap();
}
