//! What each transition does to the state. No decisions: those were made when the
//! transition was emitted, and time never matters here.

use std::time::Duration;

use crate::engine::RestoreError;
use crate::id::{JobSeq, LeaseNumber, LeaseRef, QueueId, SessionId};
use crate::state::State;
use crate::state::job::{Job, Lease, More, Place};
use crate::state::remembered::RememberedPut;
use crate::time::Time;
use crate::transition::{End, Holder, Requeue, Sizes, Transition, VerdictKind};

type Evolved = Result<(), RestoreError>;

/// What a transition that speaks of something unknown means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The journal is whole: it contradicts itself.
    Contradiction,
    /// Its beginning is gone and what is still alive is restated further on.
    PassOver,
}

impl Unknown {
    fn check(self, what: impl FnOnce() -> String) -> Evolved {
        match self {
            Self::Contradiction => Err(RestoreError(what())),
            Self::PassOver => Ok(()),
        }
    }
}

impl State {
    /// Makes the transition true. Live, `session` says who holds the leases that
    /// it grants; at a restart nobody does, until they are adopted.
    pub(crate) fn evolve(
        &mut self,
        transition: &Transition,
        session: Option<SessionId>,
        unknown: Unknown,
    ) -> Evolved {
        match transition {
            Transition::NamespaceCreated { tag, token_key } => {
                let identity = (*tag, *token_key);
                if self.identity.is_some_and(|ours| ours != identity) {
                    return Err(RestoreError("the namespace was created twice".into()));
                }
                self.identity = Some(identity);
                Ok(())
            }
            Transition::ClockMoved { by } => {
                self.move_clock(*by);
                Ok(())
            }
            Transition::QueueSet {
                queue,
                name,
                settings,
                paused,
                revision,
                create_time,
            } => {
                self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
                let of = self.queues.entry(*queue, name, settings);
                of.settings = settings.clone();
                of.paused = *paused;
                of.revision = *revision;
                of.create_time = *create_time;
                Ok(())
            }
            Transition::QueueDeleted { queue } => self.delete_queue(*queue, unknown),
            Transition::JobsAdded {
                first,
                queue,
                put_time,
                settings,
                sizes,
                contents: _,
            } => {
                self.must_be_new(*first, sizes.count())?;
                self.must_have_queue(*queue, unknown)?;
                self.add_jobs(*first, *queue, *put_time, settings, sizes);
                Ok(())
            }
            Transition::OutcomeAdded {
                job,
                queue,
                put_time,
                settings,
                outcome,
                size,
                content: _,
            } => {
                self.must_be_new(*job, 1)?;
                self.must_have_queue(*queue, unknown)?;
                let mut entry = Job::at(Place::Ready);
                entry.more = Some(Box::new(More {
                    outcome: Some(outcome.clone()),
                    ..More::default()
                }));
                self.add_job(*job, *queue, *put_time, settings, *size, entry);
                Ok(())
            }
            Transition::PutRemembered {
                request_id,
                queue,
                first,
                count,
                size,
                put_time,
            } => {
                let put = RememberedPut {
                    queue: *queue,
                    first: *first,
                    count: *count,
                    size: *size,
                    put_time: *put_time,
                };
                self.remembered.insert(*request_id, put);
                Ok(())
            }
            Transition::LeasesGranted {
                first_lease,
                jobs,
                grant_time,
                holder,
                lease_duration,
            } => {
                let lease = Lease {
                    number: *first_lease,
                    grant_time: *grant_time,
                    lease_duration: *lease_duration,
                    expire_time: grant_time.after(*lease_duration),
                    holder: *holder,
                    session,
                };
                self.grant_all(jobs, lease, unknown)
            }
            Transition::LeaseExtended { lease, expire_time } => {
                self.extend(*lease, *expire_time, unknown)
            }
            Transition::JobsCompleted { leases } => {
                for lease in leases {
                    if !self.complete(*lease) {
                        unknown.check(|| format!("{lease:?} was completed without a lease"))?;
                    }
                }
                Ok(())
            }
            Transition::JobEnded { .. } => self.end_job(transition, unknown),
            Transition::JobRequeued {
                job,
                lease,
                how,
                attempts,
                ready_time,
                error,
            } => {
                if let (Some(lease), Some(kind)) = (lease, verdict_of(*how)) {
                    self.remember_verdict(*lease, kind);
                }
                let Some(mut detached) = self.detach(*job) else {
                    return unknown.check(|| format!("{job:?} came back but is not known"));
                };
                detached.job.attempts = *attempts;
                detached.job.set_error(error);
                detached.job.place = match ready_time {
                    Some(ready_time) => Place::Scheduled {
                        ready_time: *ready_time,
                    },
                    None => Place::Ready,
                };
                self.attach(detached);
                Ok(())
            }
            Transition::JobsReady { jobs } => {
                for job in jobs {
                    let Some(mut detached) = self.detach(*job) else {
                        unknown.check(|| format!("{job:?} is ready but is not known"))?;
                        continue;
                    };
                    detached.job.place = Place::Ready;
                    self.attach(detached);
                }
                Ok(())
            }
            Transition::CancelRequested { job, reason } => match self.jobs.get_mut(job) {
                Some(job) => {
                    job.more.get_or_insert_default().cancel = Some(reason.clone());
                    Ok(())
                }
                None => unknown.check(|| format!("{job:?} is to be cancelled but is not leased")),
            },
            Transition::JobsRemoved { jobs } => {
                for job in jobs {
                    let Some(detached) = self.detach(*job) else {
                        unknown.check(|| format!("{job:?} was removed but is not known"))?;
                        continue;
                    };
                    self.forget(&detached);
                }
                Ok(())
            }
            Transition::JobRestated(restated) => self.take_restated(restated, unknown),
            Transition::JobsRestated {
                first,
                queue,
                put_time,
                settings,
                sizes,
            } => self.take_restated_run(*first, *queue, *put_time, settings, sizes, unknown),
            Transition::CountersRestated {
                next_job,
                next_lease,
                next_queue,
            } => {
                self.next_job = self.next_job.max(*next_job);
                self.advance_leases(*next_lease);
                self.next_queue = self.next_queue.max(*next_queue);
                Ok(())
            }
        }
    }

    /// Time spent where nobody could extend a lease does not count.
    fn move_clock(&mut self, by: Duration) {
        for (seq, job) in &mut self.jobs {
            let Some(group) = self.groups.get(*seq) else {
                continue;
            };
            if job.lease().is_none() {
                continue;
            }
            job.drop_deadlines(*seq, &group.settings, &mut self.deadlines);
            if let Place::Leased(lease) = &mut job.place {
                lease.grant_time = lease.grant_time.after(by);
                lease.expire_time = lease.expire_time.after(by);
            }
            job.add_deadlines(*seq, &group.settings, &mut self.deadlines);
        }
    }

    fn delete_queue(&mut self, id: QueueId, unknown: Unknown) -> Evolved {
        let Some(queue) = self.queues.get(id) else {
            return unknown.check(|| format!("{id:?} was deleted but is not known"));
        };
        if queue.counts.total() != 0 {
            return Err(RestoreError(format!(
                "the queue {:?} was deleted with {} jobs in it",
                queue.name,
                queue.counts.total()
            )));
        }
        self.queues.remove(id);
        Ok(())
    }

    fn must_be_new(&self, first: JobSeq, count: u32) -> Evolved {
        if self.groups.overlaps(first, count) {
            return Err(RestoreError(format!("{first:?} was put twice")));
        }
        Ok(())
    }

    /// In a trimmed journal a job may come before its queue, which is restated
    /// further on: the job is not passed over, it waits in an unnamed queue.
    fn must_have_queue(&mut self, queue: QueueId, unknown: Unknown) -> Evolved {
        if self.queues.get(queue).is_none() {
            unknown.check(|| format!("a job was put into {queue:?}, which is not known"))?;
            self.queues.entry_unnamed(queue);
        }
        Ok(())
    }

    pub(crate) fn advance_leases(&mut self, next: LeaseNumber) {
        self.next_lease = self.next_lease.max(next);
        self.verdicts.granted_up_to(self.next_lease);
    }

    /// In a trimmed journal the end of a lease may be there and its grant not.
    pub(crate) fn remember_verdict(&mut self, lease: LeaseNumber, kind: VerdictKind) {
        if lease >= self.next_lease {
            self.advance_leases(LeaseNumber(lease.0 + 1));
        }
        self.verdicts.remember(lease, kind);
    }

    fn grant_all(&mut self, jobs: &[JobSeq], lease: Lease, unknown: Unknown) -> Evolved {
        let count = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
        self.advance_leases(LeaseNumber(lease.number.0 + count));
        let mut rest = jobs;
        let mut number = lease.number;
        while let Some(first) = rest.first() {
            let granted = self.grant(rest, Lease { number, ..lease });
            if granted == 0 {
                unknown.check(|| format!("{first:?} was leased but is not ready"))?;
            }
            let step = granted.max(1);
            rest = rest.get(step..).unwrap_or_default();
            number = LeaseNumber(number.0 + u64::try_from(step).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn extend(&mut self, lease: LeaseRef, expire_time: Time, unknown: Unknown) -> Evolved {
        let missing = || format!("{lease:?} was extended but does not stand");
        if self.leased(lease).is_none() {
            return unknown.check(missing);
        }
        let (Some(job), Some(group)) = (self.jobs.get_mut(&lease.job), self.groups.get(lease.job))
        else {
            return unknown.check(missing);
        };
        job.drop_deadlines(lease.job, &group.settings, &mut self.deadlines);
        if let Place::Leased(current) = &mut job.place {
            current.expire_time = expire_time;
        }
        job.add_deadlines(lease.job, &group.settings, &mut self.deadlines);
        Ok(())
    }

    fn end_job(&mut self, ended: &Transition, unknown: Unknown) -> Evolved {
        let Transition::JobEnded {
            job,
            lease,
            verdict,
            end,
            error,
            retain_until,
            result_size,
            result: _,
        } = ended
        else {
            return Ok(());
        };
        if let (Some(lease), Some(kind)) = (lease, verdict) {
            self.remember_verdict(*lease, *kind);
        }
        let Some(mut detached) = self.detach(*job) else {
            return unknown.check(|| format!("{job:?} ended but is not known"));
        };
        if *end != End::Dead && retain_until.is_none() {
            self.forget(&detached);
            return Ok(());
        }
        let size = match end {
            End::Completed => *result_size,
            End::Dead | End::Cancelled => detached.put_size(),
        };
        detached.job.set_error(error);
        if let Some(more) = &mut detached.job.more {
            more.cancel = None;
        }
        detached.job.place = Place::Ended {
            end: *end,
            retain_until: *retain_until,
            size,
        };
        self.attach(detached);
        Ok(())
    }

    fn take_restated_run(
        &mut self,
        first: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &crate::settings::JobSettings,
        sizes: &Sizes,
        unknown: Unknown,
    ) -> Evolved {
        let end = first.plus(u64::from(sizes.count()));
        if !self.groups.overlaps(first, sizes.count()) {
            unknown.check(|| format!("{first:?} was restated but is not known"))?;
            self.add_jobs(first, queue, put_time, settings, sizes);
            return Ok(());
        }
        // Part of it is known, or all: what is known stays as it is.
        for (seq, size) in (first.0..end.0).map(JobSeq).zip(sizes.iter()) {
            if self.known(seq).is_some() {
                continue;
            }
            unknown.check(|| format!("{seq:?} was restated but is not known"))?;
            self.must_be_new(seq, 1)?;
            let one = Sizes::Uniform { count: 1, size };
            self.add_jobs(seq, queue, put_time, settings, &one);
        }
        Ok(())
    }
}

/// The verdict behind it, if it was one.
fn verdict_of(how: Requeue) -> Option<VerdictKind> {
    match how {
        Requeue::Failed => Some(VerdictKind::Fail),
        Requeue::Released => Some(VerdictKind::Release),
        Requeue::TakenBack | Requeue::Expired | Requeue::Redriven => None,
    }
}

/// Whether the holder is a session: nobody extends those one by one.
pub(crate) fn is_session(holder: Holder) -> bool {
    match holder {
        Holder::Session => true,
        Holder::Get => false,
    }
}
