//! A disk that is full and stays full: the journal goes on for as long as only what its
//! tiers allow is written. This holds for any history and over restarts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A test may panic.
#![allow(clippy::wildcard_enum_match_arm)] // Every other transition waits.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef, QueueId};
use leaseq_engine::settings::QueueSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, End, Holder, Requeue, Transition, VerdictKind};
use leaseq_store::conformance::{Trial, Workload, jobs_added};
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Journal, JournalOptions, Space};
use support::SMALL;

/// What a client does on the full disk.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// Extends the leases it has.
    Extend,
    /// Leases a job and gives it back.
    GetAndRelease,
    /// Leases a job and fails, with an error.
    Fail,
    /// Completes any job, with a result as long as what it had, which is kept.
    KeepResults,
    /// All of it, and a job is done now and then.
    Mixed,
}

/// A namespace on a small disk, its clients, and the shard, which writes what the space
/// allows.
struct Server {
    trial: Trial,
    disk: FaultyDisk,
    options: JournalOptions,
    journal: Journal<FaultyDisk>,
    random: Workload,
    ready: BTreeSet<JobSeq>,
    leased: BTreeMap<JobSeq, LeaseNumber>,
    sizes: BTreeMap<JobSeq, usize>,
    next_job: u64,
    next_lease: u64,
    /// Bytes written while puts were refused.
    written: u64,
}

impl Server {
    /// With a queue, and jobs until the disk is full.
    fn filled(seed: u64, segment_bytes: u64, segments: u64, size_max: usize) -> Self {
        let options = JournalOptions {
            segment_bytes,
            ..SMALL
        };
        let (disk, mut trial) = (FaultyDisk::new(), Trial::new());
        disk.capacity(segments * segment_bytes);
        let mut journal = Journal::on(disk.clone(), options);
        trial.load(&mut journal).unwrap();
        let mut server = Self {
            trial,
            disk,
            options,
            journal,
            random: Workload::new(seed, 0),
            ready: BTreeSet::new(),
            leased: BTreeMap::new(),
            sizes: BTreeMap::new(),
            next_job: 1,
            next_lease: 1,
            written: 0,
        };
        let queue = Transition::QueueSet {
            queue: QueueId(0),
            name: leaseq_engine::id::QueueName::new("jobs").unwrap(),
            settings: QueueSettings::default(),
            paused: false,
            revision: 1,
            create_time: Time::default(),
        };
        server.commit(vec![queue]);
        while server.space() == Space::Enough {
            server.put(size_max);
        }
        server
    }

    fn space(&self) -> Space {
        self.trial.report().space
    }

    fn commit(&mut self, transitions: Vec<Transition>) {
        let full = self.space() > Space::Enough;
        let committed = self
            .trial
            .commit_all(&mut self.journal, transitions)
            .expect("the disk being full is nothing to fail for");
        self.written += if full { committed.bytes } else { 0 };
        self.trial.compact(&mut self.journal, 3).unwrap();
    }

    fn put(&mut self, size_max: usize) {
        let count = 1 + self.random.below(3);
        let contents: Vec<_> = (0..count)
            .map(|_| Content {
                headers: Bytes::new(),
                payload: vec![7; 1 + self.random.below(size_max)].into(),
            })
            .collect();
        let first = JobSeq(self.next_job);
        for content in &contents {
            let job = JobSeq(self.next_job);
            self.ready.insert(job);
            self.sizes.insert(job, content.payload.len());
            self.next_job += 1;
        }
        self.commit(vec![jobs_added(first, contents)]);
    }

    /// A job of the set, by chance.
    fn any(&mut self, of: &[JobSeq]) -> Option<JobSeq> {
        let at = self.random.below(of.len().max(1));
        of.get(at).copied()
    }

    fn grant(&mut self) -> Option<LeaseRef> {
        let ready: Vec<_> = self.ready.iter().copied().collect();
        let job = self.any(&ready)?;
        let lease = LeaseNumber(self.next_lease);
        self.next_lease += 1;
        self.ready.remove(&job);
        self.leased.insert(job, lease);
        self.commit(vec![Transition::LeasesGranted {
            first_lease: lease,
            jobs: vec![job],
            grant_time: Time::default(),
            holder: Holder::Get,
            lease_duration: Duration::from_secs(30),
        }]);
        Some(LeaseRef { job, lease })
    }

    /// A leased job: one of those that are, or another, if that may be written.
    fn leased(&mut self) -> Option<LeaseRef> {
        let leased: Vec<_> = self.leased.keys().copied().collect();
        if leased.len() < 20 && self.space() < Space::Last {
            return self.grant();
        }
        let job = self.any(&leased)?;
        let lease = *self.leased.get(&job)?;
        Some(LeaseRef { job, lease })
    }

    fn act(&mut self, habit: Habit) {
        let habit = match habit {
            Habit::Mixed => match self.random.below(20) {
                0..=5 => Habit::Extend,
                6..=11 => Habit::GetAndRelease,
                12..=17 => Habit::Fail,
                18 => Habit::KeepResults,
                _ => return self.complete(),
            },
            one => one,
        };
        let Some(lease) = self.leased() else {
            return self.forget();
        };
        let space = self.space();
        match habit {
            Habit::Extend if space < Space::Last => {
                let expire_time = Time::from_millis(self.next_lease);
                self.commit(vec![Transition::LeaseExtended { lease, expire_time }]);
            }
            Habit::GetAndRelease if space < Space::Last => self.give_back(lease, ""),
            Habit::Fail if space < Space::Low => self.give_back(lease, &"broken ".repeat(10)),
            Habit::Fail if space < Space::Last => self.give_back(lease, "broken"),
            Habit::KeepResults if space < Space::Full => self.keep(lease),
            _ => self.wait(),
        }
    }

    /// A refused client comes again; the shard looks after space meanwhile.
    fn wait(&mut self) {
        self.trial.compact(&mut self.journal, 50).unwrap();
    }

    fn give_back(&mut self, lease: LeaseRef, error: &str) {
        self.leased.remove(&lease.job);
        self.ready.insert(lease.job);
        self.commit(vec![Transition::JobRequeued {
            job: lease.job,
            lease: Some(lease.lease),
            how: Requeue::Failed,
            attempts: 1,
            ready_time: None,
            error: error.into(),
        }]);
    }

    fn keep(&mut self, lease: LeaseRef) {
        let size = self.sizes.get(&lease.job).copied().unwrap_or(0);
        self.leased.remove(&lease.job);
        let result = Bytes::from(vec![9; size]);
        self.commit(vec![Transition::JobEnded {
            job: lease.job,
            lease: Some(lease.lease),
            verdict: Some(VerdictKind::Complete),
            end: End::Completed,
            error: "".into(),
            retain_until: Some(Time::from_millis(u64::MAX >> 8)),
            result_size: u32::try_from(size).unwrap(),
            result,
        }]);
    }

    /// The time of a result that is kept is over.
    fn forget(&mut self) {
        let known = |job: &JobSeq| self.leased.contains_key(job) || self.ready.contains(job);
        let kept = self.trial.model().kept();
        match kept.into_iter().find(|job| !known(job)) {
            Some(job) => self.commit(vec![Transition::JobsRemoved { jobs: vec![job] }]),
            None => self.wait(),
        }
    }

    fn complete(&mut self) {
        if self.space() == Space::Full {
            return self.wait();
        }
        if let Some((job, lease)) = self.leased.pop_first() {
            let leases = vec![LeaseRef { job, lease }];
            self.commit(vec![Transition::JobsCompleted { leases }]);
        }
    }

    fn restart(&mut self, kill: bool) {
        if kill {
            self.disk.kill();
        } else {
            self.disk.crash(self.next_lease);
        }
        self.journal = Journal::on(self.disk.clone(), self.options);
        self.trial.load(&mut self.journal).unwrap();
    }

    /// Workers do all there is, one job after the other, in this order; results go.
    fn drain(&mut self, newest_first: bool) {
        for _ in 0..100_000 {
            let may_lease = self.space() < Space::Last;
            if may_lease && self.leased.is_empty() && self.grant().is_none() {
                if self.trial.model().kept().is_empty() {
                    return;
                }
                self.forget();
            }
            if self.space() == Space::Full {
                self.wait();
            } else if let Some((job, lease)) = if newest_first {
                self.leased.pop_last()
            } else {
                self.leased.pop_first()
            } {
                let leases = vec![LeaseRef { job, lease }];
                self.commit(vec![Transition::JobsCompleted { leases }]);
            } else if self.space() >= Space::Last {
                self.wait();
            }
        }
        panic!("{} jobs wait, {:?}", self.ready.len(), self.space());
    }
}

/// Segments' worth of records that are soon worthless, with restarts in between; then
/// workers come, and puts are taken again.
fn goes_on(habit: Habit, seed: u64, segment_bytes: u64, segments: u64, size_max: usize) {
    let mut server = Server::filled(seed, segment_bytes, segments, size_max);
    let (mut acts, mut refused) = (0, 0);
    while server.written < 6 * segment_bytes {
        let written = server.written;
        server.act(habit);
        acts += 1;
        refused = if server.written > written {
            0
        } else {
            refused + 1
        };
        if refused > 300 {
            // Each job that has been leased takes a little more room for good. With many
            // jobs and small segments that is all there is.
            assert!(!matches!(habit, Habit::Extend | Habit::Mixed), "{habit:?}");
            break;
        }
        if acts % 97 == 0 {
            server.restart(acts % 2 == 0);
        }
        if server.space() == Space::Enough {
            server.put(size_max);
        }
    }
    server.restart(true);
    server.trial.check_contents(&mut server.journal).unwrap();
    server.drain(seed.is_multiple_of(2));
    for _ in 0..1000 {
        server.wait();
    }
    assert_eq!(server.space(), Space::Enough, "puts are taken again");
    server.put(size_max);
}

#[test]
fn extensions_for_hours() {
    goes_on(Habit::Extend, 1, 8 << 10, 10, 300);
    goes_on(Habit::Extend, 2, 16 << 10, 6, 2000);
}

#[test]
fn leases_that_are_given_back_for_hours() {
    goes_on(Habit::GetAndRelease, 3, 8 << 10, 10, 300);
    goes_on(Habit::GetAndRelease, 4, 32 << 10, 6, 4000);
}

#[test]
fn failures_for_hours() {
    goes_on(Habit::Fail, 5, 8 << 10, 10, 300);
    goes_on(Habit::Fail, 6, 16 << 10, 8, 1000);
}

#[test]
fn results_that_are_kept_for_hours() {
    goes_on(Habit::Mixed, 7, 8 << 10, 10, 300);
    goes_on(Habit::Mixed, 8, 32 << 10, 6, 6000);
}

/// Segments and jobs of many sizes. A job is a twelfth of a segment at most.
#[test]
fn any_habit_on_any_small_disk() {
    for seed in 0..5 {
        let habits = [
            Habit::Extend,
            Habit::GetAndRelease,
            Habit::Fail,
            Habit::KeepResults,
            Habit::Mixed,
        ];
        let habit = habits[seed as usize % habits.len()];
        let segment_bytes = (4 << 10) << (seed % 3);
        let segments = 5 + seed % 7;
        let size_max = segment_bytes as usize / (12 << (seed % 4));
        goes_on(habit, 100 + seed, segment_bytes, segments, size_max);
    }
}
