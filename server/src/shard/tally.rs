//! What happened to jobs, counted from the transitions that became durable.

use std::sync::atomic::{AtomicU64, Ordering};

use leaseq_engine::transition::{End, Requeue, Sizes, Transition, VerdictKind};

/// What can happen to a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JobFact {
    /// It was put, by a master or as an outcome.
    Put,
    /// It was leased.
    Leased,
    /// It was completed.
    Completed,
    /// An attempt failed.
    Failed,
    /// A worker said that it can never succeed.
    Rejected,
    /// A worker gave it back.
    Released,
    /// Its lease expired and it waits for another attempt.
    Expired,
    /// It was given up.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// It was dead and is wanted again.
    Redriven,
    /// Its content could not be read from the disk.
    ContentLost,
}

impl JobFact {
    pub(crate) const ALL: [Self; 11] = [
        Self::Put,
        Self::Leased,
        Self::Completed,
        Self::Failed,
        Self::Rejected,
        Self::Released,
        Self::Expired,
        Self::Dead,
        Self::Cancelled,
        Self::Redriven,
        Self::ContentLost,
    ];
}

/// The facts of one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally([u64; JobFact::ALL.len()]);

impl Tally {
    pub(super) fn of(transitions: &[Transition]) -> Self {
        let mut tally = Self::default();
        for transition in transitions {
            tally.take(transition);
        }
        tally
    }

    fn add(&mut self, fact: JobFact, count: usize) {
        self.0[fact as usize] += count as u64;
    }

    fn take(&mut self, transition: &Transition) {
        match transition {
            Transition::JobsAdded { sizes, .. } => self.add(JobFact::Put, jobs_of(sizes)),
            Transition::OutcomeAdded { .. } => self.add(JobFact::Put, 1),
            Transition::LeasesGranted { jobs, .. } => self.add(JobFact::Leased, jobs.len()),
            Transition::JobsCompleted { leases } => self.add(JobFact::Completed, leases.len()),
            Transition::JobEnded { verdict, end, .. } => {
                match verdict {
                    Some(VerdictKind::Fail) => self.add(JobFact::Failed, 1),
                    Some(VerdictKind::Reject) => self.add(JobFact::Rejected, 1),
                    Some(VerdictKind::Complete | VerdictKind::Release) | None => {}
                }
                let fact = match end {
                    End::Completed => JobFact::Completed,
                    End::Dead => JobFact::Dead,
                    End::Cancelled => JobFact::Cancelled,
                };
                self.add(fact, 1);
            }
            Transition::JobRequeued { how, .. } => self.requeued(*how, 1),
            Transition::JobsRequeued { how, leases, .. } => self.requeued(*how, leases.len()),
            Transition::ContentLost { .. } => self.add(JobFact::ContentLost, 1),
            // Nothing of these is a step in the life of a job.
            _ => {}
        }
    }

    fn requeued(&mut self, how: Requeue, count: usize) {
        match how {
            Requeue::Failed => self.add(JobFact::Failed, count),
            Requeue::Released => self.add(JobFact::Released, count),
            Requeue::Expired | Requeue::Unheard => self.add(JobFact::Expired, count),
            Requeue::Redriven => self.add(JobFact::Redriven, count),
            // It was never delivered.
            Requeue::TakenBack => {}
        }
    }
}

fn jobs_of(sizes: &Sizes) -> usize {
    match sizes {
        Sizes::Uniform { count, .. } => *count as usize,
        Sizes::Each(sizes) => sizes.len(),
    }
}

/// The facts since the start.
#[derive(Debug, Default)]
pub(crate) struct JobCounters([AtomicU64; JobFact::ALL.len()]);

impl JobCounters {
    pub(super) fn add(&self, tally: &Tally) {
        for (counter, count) in self.0.iter().zip(tally.0) {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// How often this happened.
    pub(crate) fn get(&self, fact: JobFact) -> u64 {
        self.0[fact as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef};

    use super::*;

    #[test]
    fn each_step_of_a_job_is_counted_once() {
        let requeued = |how| Transition::JobRequeued {
            job: JobSeq(1),
            lease: None,
            how,
            attempts: 1,
            ready_time: None,
            error: "".into(),
        };
        let dead = Transition::JobEnded {
            job: JobSeq(1),
            lease: None,
            verdict: Some(VerdictKind::Fail),
            end: End::Dead,
            error: "".into(),
            retain_until: None,
            result_size: 0,
            result: bytes::Bytes::new(),
        };
        let lease = LeaseRef {
            job: JobSeq(2),
            lease: LeaseNumber(3),
        };
        let expired = Transition::JobsRequeued {
            leases: vec![lease; 2],
            how: Requeue::Expired,
            charged: true,
            error: "".into(),
        };
        let transitions = [
            requeued(Requeue::Failed),
            requeued(Requeue::TakenBack),
            dead,
            expired,
        ];
        let counters = JobCounters::default();
        counters.add(&Tally::of(&transitions));
        assert_eq!(counters.get(JobFact::Failed), 2);
        assert_eq!(counters.get(JobFact::Dead), 1);
        assert_eq!(counters.get(JobFact::Released), 0);
        assert_eq!(counters.get(JobFact::Expired), 2);
    }
}
