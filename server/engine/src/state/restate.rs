//! Writing the present state again, and reading it back, so that the oldest
//! records can go.

use std::sync::Arc;

use crate::engine::RestoreError;
use crate::id::{JobSeq, LeaseNumber, NumberFloor, QueueId};
use crate::state::ended::{Ended, HowEnded};
use crate::state::evolve::Unknown;
use crate::state::job::{Job, Lease, More, Place};
use crate::state::{Entry, Known, State};
use crate::time::{LeaseClock, Time};
use crate::transition::{End, JobRestated, Sizes, Status, Transition};

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
            let status = status(&known, self.lease_clock);
            let follows = run.last().is_some_and(|last| last.is_before(&known));
            if !follows || status.is_some() {
                restated.extend(run_restated(&run));
                run.clear();
            }
            match status {
                None => run.push(known),
                Some(status) => {
                    let one = job_restated(&known, status);
                    restated.push(Transition::JobRestated(Box::new(one)));
                    if known.content_lost() {
                        restated.push(Transition::ContentLost { job: seq });
                    }
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

    /// The counters, with the numbers of jobs and leases raised to the floor of a start.
    pub(crate) fn raise_numbers(&self, floor: NumberFloor) -> Transition {
        let lease = floor.raise(self.next_lease.0, self.verdicts.max());
        Transition::CountersRestated {
            next_job: JobSeq(floor.raise(self.next_job.0, 1)),
            next_lease: LeaseNumber(lease),
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
                status(&known, self.lease_clock)
                    .map(|status| job_restated(&known, status))
                    .as_ref(),
                Some(restated),
                "a restated job is as it was"
            );
            return Ok(());
        }
        if unknown == Unknown::Contradiction || self.any_taken(seq, 1) {
            return Err(RestoreError(format!(
                "{seq:?} was restated but is not known"
            )));
        }
        let place = match restated.status {
            Status::Ended { end, retain_until } => {
                self.take_ended(restated, end, retain_until);
                return Ok(());
            }
            Status::Scheduled { ready_time } => Place::Scheduled { ready_time },
            Status::Ready => Place::Ready,
            Status::Leased {
                lease,
                grant_time,
                lease_duration,
                expire_time,
                holder,
                heard,
            } => {
                self.advance_leases(LeaseNumber(lease.0 + 1));
                Place::Leased(Lease {
                    number: lease,
                    grant_time: self.lease_clock.lease_time(grant_time),
                    lease_duration,
                    expire_time: self.lease_clock.lease_time(expire_time),
                    holder,
                    heard,
                    session: None,
                })
            }
        };
        let mut job = Job::at(place);
        job.attempts = restated.attempts;
        let more = More {
            error: restated.error.clone(),
            cancel: restated.cancel.clone(),
            outcome: restated.outcome.clone(),
            ..More::default()
        };
        if !more.error.is_empty() || more.cancel.is_some() || more.outcome.is_some() {
            job.more = Some(Box::new(more));
        }
        job.set_counts(restated.releases, restated.unheard);
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

    fn take_ended(&mut self, restated: &JobRestated, end: End, retain_until: Option<Time>) {
        let queue = self.queues.entry_unnamed(restated.queue);
        let ended = Ended {
            queue: restated.queue,
            put_time: restated.put_time,
            settings: queue.share(&restated.settings),
            attempts: restated.attempts,
            releases: restated.releases,
            error: restated.error.clone(),
            outcome: restated.outcome.clone().map(Box::new),
            how: HowEnded {
                end,
                retain_until,
                size: restated.size,
                content_lost: false,
            },
        };
        self.add_ended(restated.job, ended);
    }
}

impl Known<'_> {
    /// Whether `next` is the next place, and put with it.
    fn is_before(&self, next: &Self) -> bool {
        self.seq.plus(1) == next.seq
            && self.queue == next.queue
            && self.put_time == next.put_time
            && Arc::ptr_eq(self.settings, next.settings)
    }
}

/// A run of jobs of one group that have never been leased.
fn run_restated(run: &[Known<'_>]) -> Option<Transition> {
    let first = run.first()?;
    let sizes: Vec<_> = run.iter().map(|known| known.size).collect();
    Some(Transition::JobsRestated {
        first: first.seq,
        queue: first.queue,
        put_time: first.put_time,
        settings: (**first.settings).clone(),
        sizes: Sizes::of(&sizes),
    })
}

fn job_restated(known: &Known<'_>, status: Status) -> JobRestated {
    JobRestated {
        job: known.seq,
        queue: known.queue,
        put_time: known.put_time,
        settings: (**known.settings).clone(),
        size: known.size,
        attempts: known.attempts(),
        releases: known.releases(),
        unheard: known.unheard(),
        error: known.error().into(),
        cancel: known.cancel().map(Into::into),
        outcome: known.outcome().cloned(),
        status,
    }
}

/// Where the job is. `None`: in a run.
fn status(known: &Known<'_>, clock: LeaseClock) -> Option<Status> {
    let job = match known.entry {
        Entry::Plain => return None,
        Entry::Ended(ended) => {
            return Some(Status::Ended {
                end: ended.how.end,
                retain_until: ended.how.retain_until,
            });
        }
        Entry::Tracked(job) => job,
    };
    Some(match job.place {
        Place::Scheduled { ready_time } => Status::Scheduled { ready_time },
        Place::Ready => Status::Ready,
        Place::Leased(lease) => Status::Leased {
            lease: lease.number,
            grant_time: clock.time(lease.grant_time),
            lease_duration: lease.lease_duration,
            expire_time: clock.time(lease.expire_time),
            holder: lease.holder,
            heard: lease.heard,
        },
    })
}
