//! Writing the present state again, and reading it back, so that the oldest
//! records can go.

use crate::engine::RestoreError;
use crate::id::{JobSeq, LeaseNumber, QueueId};
use crate::state::evolve::Unknown;
use crate::state::job::{Job, Lease, More, Place};
use crate::state::{Known, State};
use crate::transition::{JobRestated, Sizes, Status, Transition};

impl State {
    /// The transitions that say the present state of these jobs. Unknown ones are
    /// passed over.
    pub(crate) fn restate_jobs(&self, mut jobs: Vec<JobSeq>) -> Vec<Transition> {
        jobs.sort_unstable();
        jobs.dedup();
        let mut restated = Vec::new();
        let mut run: Vec<Known<'_>> = Vec::new();
        for seq in jobs {
            let Some(known) = self.known(seq) else {
                continue;
            };
            let follows = run.last().is_some_and(|last| {
                last.seq.plus(1) == seq && last.group.first == known.group.first
            });
            if !follows || known.job.is_some() {
                restated.extend(run_restated(&run));
                run.clear();
            }
            match known.job {
                None => run.push(known),
                Some(job) => {
                    let one = job_restated(&known, job);
                    restated.push(Transition::JobRestated(Box::new(one)));
                }
            }
        }
        restated.extend(run_restated(&run));
        restated
    }

    /// The queue as a transition.
    pub(crate) fn restate_queue(&self, id: QueueId) -> Option<Transition> {
        let queue = self.queues.get(id)?;
        Some(Transition::QueueSet {
            queue: id,
            name: queue.name.clone(),
            settings: queue.settings.clone(),
            paused: queue.paused,
            revision: queue.revision,
            create_time: queue.create_time,
        })
    }

    pub(crate) fn restate_counters(&self) -> Transition {
        Transition::CountersRestated {
            next_job: self.next_job,
            next_lease: self.next_lease,
            next_queue: self.next_queue,
        }
    }

    /// Takes the state of a job as it was written again. A known job is as it says
    /// already.
    pub(crate) fn take_restated(
        &mut self,
        restated: &JobRestated,
        unknown: Unknown,
    ) -> Result<(), RestoreError> {
        let seq = restated.job;
        if let Some(known) = self.known(seq) {
            debug_assert_eq!(
                known.job.map(|job| job_restated(&known, job)).as_ref(),
                Some(restated),
                "a restated job is as it was"
            );
            return Ok(());
        }
        if unknown == Unknown::Contradiction || self.groups.overlaps(seq, 1) {
            return Err(RestoreError(format!(
                "{seq:?} was restated but is not known"
            )));
        }
        let mut job = Job::at(place(restated));
        job.attempts = restated.attempts;
        let more = More {
            error: restated.error.clone(),
            cancel: restated.cancel.clone(),
            outcome: restated.outcome.clone(),
        };
        if !more.error.is_empty() || more.cancel.is_some() || more.outcome.is_some() {
            job.more = Some(Box::new(more));
        }
        if let Status::Leased { lease, .. } = restated.status {
            self.advance_leases(LeaseNumber(lease.0 + 1));
        }
        self.add_job(
            seq,
            restated.queue,
            restated.put_time,
            &restated.settings,
            restated.size,
            job,
        );
        Ok(())
    }
}

/// A run of jobs of one group that have never been leased.
fn run_restated(run: &[Known<'_>]) -> Option<Transition> {
    let first = run.first()?;
    let sizes: Vec<_> = run.iter().map(Known::size).collect();
    Some(Transition::JobsRestated {
        first: first.seq,
        queue: first.group.queue,
        put_time: first.group.put_time,
        settings: (*first.group.settings).clone(),
        sizes: Sizes::of(&sizes),
    })
}

fn job_restated(known: &Known<'_>, job: &Job) -> JobRestated {
    JobRestated {
        job: known.seq,
        queue: known.group.queue,
        put_time: known.group.put_time,
        settings: (*known.group.settings).clone(),
        size: known.size(),
        attempts: job.attempts,
        error: job.error().into(),
        cancel: job.cancel().map(Into::into),
        outcome: job.outcome().cloned(),
        status: match job.place {
            Place::Scheduled { ready_time } => Status::Scheduled { ready_time },
            Place::Ready => Status::Ready,
            Place::Leased(lease) => Status::Leased {
                lease: lease.number,
                grant_time: lease.grant_time,
                lease_duration: lease.lease_duration,
                expire_time: lease.expire_time,
                holder: lease.holder,
            },
            Place::Ended {
                end, retain_until, ..
            } => Status::Ended { end, retain_until },
        },
    }
}

fn place(restated: &JobRestated) -> Place {
    match restated.status {
        Status::Scheduled { ready_time } => Place::Scheduled { ready_time },
        Status::Ready => Place::Ready,
        Status::Leased {
            lease,
            grant_time,
            lease_duration,
            expire_time,
            holder,
        } => Place::Leased(Lease {
            number: lease,
            grant_time,
            lease_duration,
            expire_time,
            holder,
            session: None,
        }),
        Status::Ended { end, retain_until } => Place::Ended {
            end,
            retain_until,
            size: restated.size,
        },
    }
}
