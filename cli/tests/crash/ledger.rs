//! What was promised, and the rules that hold whatever is killed:
//!
//! - an acknowledged put is delivered until a completion of it is acknowledged: nothing is lost
//! - after an acknowledged completion the job is never leased again
//! - a put that was repeated with its request id is one job: a job number has one id
//! - a fencing number is used once, and those of one job only rise
//! - payloads come out as they went in, and nothing comes out that was not put
//!
//! Pure: the load tells it what it saw, the tests tell it lies. A job is a number that the load
//! writes into its payload; the ledger keeps a few dozen bytes for each.

use std::collections::HashMap;
use std::fmt;

/// What is known of one job.
#[derive(Clone, Copy, Default)]
struct JobRecord {
    id: u128,
    fencing: u64,
    completed_fencing: u64,
    acknowledged: bool,
    completion_unclear: bool,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    /// Acknowledged, and neither completed nor to be had.
    Lost { job: u64 },
    /// Delivered although its completion was acknowledged before.
    DeliveredAfterCompletion { job: u64 },
    /// Two jobs were made of one.
    Doubled { job: u64 },
    /// Two leases were acknowledged as completed.
    CompletedTwice { job: u64 },
    /// A fencing number was used twice, or fell.
    FencingReused { job: u64, fencing: u64 },
    /// Other bytes than were put.
    PayloadChanged { job: u64 },
    /// Nobody put it.
    Phantom { job: u64 },
    /// Something was refused that may not be.
    Refused { what: String },
    /// The server did not come back, or left jobs behind.
    Server { what: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { job } => write!(f, "job {job} was acknowledged and is lost"),
            Self::DeliveredAfterCompletion { job } => {
                write!(
                    f,
                    "job {job} was leased again after its completion was acknowledged"
                )
            }
            Self::Doubled { job } => write!(f, "job {job} was put twice"),
            Self::CompletedTwice { job } => write!(f, "job {job} was completed by two leases"),
            Self::FencingReused { job, fencing } => {
                write!(
                    f,
                    "job {job} came with fencing number {fencing}, which was used before"
                )
            }
            Self::PayloadChanged { job } => write!(f, "the payload of job {job} has changed"),
            Self::Phantom { job } => write!(f, "job {job} came and was never put"),
            Self::Refused { what } | Self::Server { what } => f.write_str(what),
        }
    }
}

/// The history, folded into what the rules need.
#[derive(Default)]
pub(crate) struct Ledger {
    jobs: Vec<JobRecord>,
    /// One bit for each fencing number seen, by the 64th part of the number: numbers go on
    /// far ahead after a restart.
    fencing_seen: HashMap<u64, u64>,
    violations: Vec<Violation>,
    counts: Counts,
}

/// How much happened.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    /// Puts of jobs that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Deliveries, repeated ones included.
    pub(crate) deliveries: u64,
    /// Completions that were acknowledged.
    pub(crate) completed: u64,
    /// Completions that were sent and never answered, by a worker that died.
    pub(crate) unclear: u64,
}

impl Ledger {
    /// A handful shows what is wrong; a million would only hide it.
    const VIOLATIONS_MAX: usize = 50;

    /// The first of `count` new job numbers.
    pub(crate) fn begin_put(&mut self, count: usize) -> u64 {
        let first = self.jobs.len() as u64;
        self.jobs
            .resize(self.jobs.len() + count, JobRecord::default());
        first
    }

    /// The put of `job` was answered with `id`.
    pub(crate) fn put_acknowledged(&mut self, job: u64, id: u128) {
        self.counts.acknowledged += 1;
        let Some(record) = self.jobs.get_mut(job as usize) else {
            return self.violated(Violation::Phantom { job });
        };
        record.acknowledged = true;
        if record.id != 0 && record.id != id {
            return self.violated(Violation::Doubled { job });
        }
        record.id = id;
    }

    /// `job` was delivered with this id and fencing number.
    pub(crate) fn delivered(&mut self, job: u64, id: u128, fencing: u64, payload_right: bool) {
        self.counts.deliveries += 1;
        let reused = self.seen_before(fencing);
        let Some(record) = self.jobs.get_mut(job as usize) else {
            return self.violated(Violation::Phantom { job });
        };
        let doubled = record.id != 0 && record.id != id;
        // Two workers may see two leases of one job in either order; completion settles it.
        let after_completion = record.completed_fencing != 0 && fencing > record.completed_fencing;
        record.id = id;
        record.fencing = record.fencing.max(fencing);
        for (broken, violation) in [
            (reused, Violation::FencingReused { job, fencing }),
            (doubled, Violation::Doubled { job }),
            (
                after_completion,
                Violation::DeliveredAfterCompletion { job },
            ),
            (!payload_right, Violation::PayloadChanged { job }),
        ] {
            if broken {
                self.violated(violation);
            }
        }
    }

    /// The completion of `job` by the lease `fencing` was acknowledged.
    pub(crate) fn completed(&mut self, job: u64, fencing: u64) {
        let Some(record) = self.jobs.get_mut(job as usize) else {
            return self.violated(Violation::Phantom { job });
        };
        let before = record.completed_fencing;
        record.completed_fencing = fencing;
        let leased_later = record.fencing > fencing;
        if before == 0 {
            self.counts.completed += 1;
        } else if before != fencing {
            self.violated(Violation::CompletedTwice { job });
        }
        if leased_later {
            self.violated(Violation::DeliveredAfterCompletion { job });
        }
    }

    /// A completion of `job` was sent, and its worker died before the answer came.
    pub(crate) fn completion_unclear(&mut self, job: u64) {
        if let Some(record) = self.jobs.get_mut(job as usize) {
            record.completion_unclear = true;
            self.counts.unclear += 1;
        }
    }

    /// Something else went wrong.
    pub(crate) fn violated(&mut self, violation: Violation) {
        if self.violations.len() < Self::VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    /// How much has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// The queue is drained: whatever was acknowledged has been completed. Returns every
    /// violation of the whole history.
    pub(crate) fn finish(&self) -> Vec<Violation> {
        let lost = |record: &JobRecord| {
            record.acknowledged && record.completed_fencing == 0 && !record.completion_unclear
        };
        let losses = self.jobs.iter().enumerate();
        let losses = losses.filter(|(_, record)| lost(record));
        let losses = losses.map(|(job, _)| Violation::Lost { job: job as u64 });
        // Each kind of its own: what is refused by the thousand may not hide what is lost.
        let losses = losses.take(Self::VIOLATIONS_MAX);
        self.violations.iter().cloned().chain(losses).collect()
    }

    fn seen_before(&mut self, fencing: u64) -> bool {
        let word = self.fencing_seen.entry(fencing / 64).or_default();
        let bit = 1 << (fencing % 64);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

/// A checker that finds nothing proves nothing: each rule against a history that breaks it.
mod tests {
    use super::{Ledger, Violation};

    /// Three jobs, put and delivered; job 1 came back once and two of them are completed.
    fn history() -> Ledger {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin_put(3), 0);
        for job in 0..3 {
            ledger.put_acknowledged(job, 100 + u128::from(job));
            ledger.delivered(job, 100 + u128::from(job), 1 + job, true);
        }
        ledger.completed(0, 1);
        ledger.delivered(1, 101, 4, true);
        ledger.completed(1, 4);
        ledger
    }

    fn check(plant: impl FnOnce(&mut Ledger), expected: &[Violation]) {
        let mut ledger = history();
        plant(&mut ledger);
        assert_eq!(ledger.finish(), expected);
    }

    #[test]
    fn a_clean_history_is_clean() {
        check(|ledger| ledger.completed(2, 3), &[]);
        check(|ledger| ledger.completion_unclear(2), &[]);
    }

    #[test]
    fn an_acknowledged_job_that_never_ends_is_lost() {
        check(|_| (), &[Violation::Lost { job: 2 }]);
    }

    #[test]
    fn a_put_without_an_answer_may_be_lost() {
        check(
            |ledger| {
                ledger.completed(2, 3);
                ledger.begin_put(1);
            },
            &[],
        );
    }

    #[test]
    fn a_delivery_after_completion_is_found_in_either_order() {
        let found = [
            Violation::DeliveredAfterCompletion { job: 0 },
            Violation::Lost { job: 2 },
        ];
        check(|ledger| ledger.delivered(0, 100, 5, true), &found);
        let found = [Violation::DeliveredAfterCompletion { job: 2 }];
        check(
            |ledger| {
                ledger.delivered(2, 102, 5, true);
                ledger.completed(2, 3);
            },
            &found,
        );
    }

    #[test]
    fn a_job_that_became_two_is_found() {
        let found = [Violation::Doubled { job: 2 }, Violation::Lost { job: 2 }];
        check(|ledger| ledger.delivered(2, 999, 5, true), &found);
        check(|ledger| ledger.put_acknowledged(2, 999), &found);
    }

    #[test]
    fn two_completions_by_two_leases_are_found() {
        let found = [
            Violation::CompletedTwice { job: 0 },
            Violation::Lost { job: 2 },
        ];
        check(|ledger| ledger.completed(0, 2), &found);
        check(
            |ledger| ledger.completed(0, 1),
            &[Violation::Lost { job: 2 }],
        );
    }

    #[test]
    fn a_fencing_number_used_twice_is_found() {
        let found = [
            Violation::FencingReused { job: 2, fencing: 2 },
            Violation::Lost { job: 2 },
        ];
        check(|ledger| ledger.delivered(2, 102, 2, true), &found);
    }

    #[test]
    fn changed_bytes_and_phantoms_are_found() {
        let lost = Violation::Lost { job: 2 };
        let found = [Violation::PayloadChanged { job: 2 }, lost.clone()];
        check(|ledger| ledger.delivered(2, 102, 5, false), &found);
        let found = [Violation::Phantom { job: 7 }, lost];
        check(|ledger| ledger.delivered(7, 107, 5, true), &found);
    }
}
