//! What each transition does to jobs and their leases.

use crate::engine::RestoreError;
use crate::id::{JobSeq, LeaseNumber, LeaseRef, QueueId, SessionId};
use crate::state::State;
use crate::state::ended::HowEnded;
use crate::state::evolve::{Evolved, Unknown};
use crate::state::job::{Job, Lease, More, Place};
use crate::time::Time;
use crate::transition::{End, Requeue, Sizes, Transition, VerdictKind};

impl State {
    pub(super) fn put_jobs(&mut self, added: &Transition, unknown: Unknown) -> Evolved {
        let Transition::JobsAdded {
            first,
            queue,
            put_time,
            settings,
            sizes,
            contents: _,
        } = added
        else {
            return Ok(());
        };
        self.must_be_new(*first, sizes.count())?;
        self.must_have_queue(*queue, unknown)?;
        self.add_jobs(*first, *queue, *put_time, settings, sizes);
        Ok(())
    }

    pub(super) fn put_outcome(&mut self, added: &Transition, unknown: Unknown) -> Evolved {
        let Transition::OutcomeAdded {
            job,
            queue,
            put_time,
            settings,
            outcome,
            size,
            content: _,
        } = added
        else {
            return Ok(());
        };
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

    pub(super) fn must_be_new(&self, first: JobSeq, count: u32) -> Evolved {
        if self.any_taken(first, count) {
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

    pub(super) fn grant_all(
        &mut self,
        grants: &Transition,
        session: Option<SessionId>,
        unknown: Unknown,
    ) -> Evolved {
        let Transition::LeasesGranted {
            first_lease,
            jobs,
            grant_time,
            holder,
            lease_duration,
        } = grants
        else {
            return Ok(());
        };
        let granted = self.lease_clock.lease_time(*grant_time);
        let lease = Lease {
            number: *first_lease,
            grant_time: granted,
            lease_duration: *lease_duration,
            expire_time: granted.after(*lease_duration),
            holder: *holder,
            heard: false,
            session,
        };
        let count = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
        self.advance_leases(LeaseNumber(lease.number.0 + count));
        let mut rest = jobs.as_slice();
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

    pub(super) fn extend(
        &mut self,
        lease: LeaseRef,
        expire_time: Time,
        unknown: Unknown,
    ) -> Evolved {
        let missing = || format!("{lease:?} was extended but does not stand");
        if self.leased(lease).is_none() {
            return unknown.check(missing);
        }
        let (Some(job), Some(group)) = (self.jobs.get_mut(lease.job), self.groups.get(lease.job))
        else {
            return unknown.check(missing);
        };
        job.drop_deadlines(lease.job, &group.settings, &mut self.deadlines);
        if let Place::Leased(current) = &mut job.place {
            current.expire_time = self.lease_clock.lease_time(expire_time);
            current.heard = true;
        }
        job.add_deadlines(lease.job, &group.settings, &mut self.deadlines);
        Ok(())
    }

    pub(super) fn complete_all(&mut self, leases: &[LeaseRef], unknown: Unknown) -> Evolved {
        for lease in leases {
            if self.complete(*lease).is_none() {
                self.remember_verdict(*lease, VerdictKind::Complete);
                unknown.check(|| format!("{lease:?} was completed without a lease"))?;
            }
        }
        Ok(())
    }

    pub(super) fn end_job(&mut self, ended: &Transition, unknown: Unknown) -> Evolved {
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
            let lease = LeaseRef {
                job: *job,
                lease: *lease,
            };
            self.remember_verdict(lease, *kind);
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
        match end {
            // The error of an earlier attempt is not the reason of the cancellation.
            End::Cancelled => detached.job.replace_error(error),
            End::Completed | End::Dead => detached.job.set_error(error),
        }
        let how = HowEnded {
            end: *end,
            retain_until: *retain_until,
            size,
            content_lost: false,
        };
        self.keep(detached, how);
        Ok(())
    }

    pub(super) fn lose_content(&mut self, job: JobSeq, unknown: Unknown) -> Evolved {
        let Some(ended) = self.ended.get_mut(&job) else {
            return unknown
                .check(|| format!("the content of {job:?} is lost but it has not ended"));
        };
        ended.how.size = 0;
        ended.how.content_lost = true;
        Ok(())
    }

    pub(super) fn requeue_job(&mut self, requeued: &Transition, unknown: Unknown) -> Evolved {
        let Transition::JobRequeued {
            job,
            lease,
            how,
            attempts,
            ready_time,
            error,
        } = requeued
        else {
            return Ok(());
        };
        if let (Some(lease), Some(kind)) = (lease, verdict_of(*how)) {
            let lease = LeaseRef {
                job: *job,
                lease: *lease,
            };
            self.remember_verdict(lease, kind);
        }
        let Some(mut detached) = self.detach(*job) else {
            return unknown.check(|| format!("{job:?} came back but is not known"));
        };
        detached.job.attempts = *attempts;
        detached.job.count_return(*how);
        detached.job.set_error(error);
        detached.job.place = match *ready_time {
            Some(ready_time) => Place::Scheduled { ready_time },
            None => Place::Ready,
        };
        self.attach(detached);
        Ok(())
    }

    pub(super) fn requeue_jobs(&mut self, requeued: &Transition, unknown: Unknown) -> Evolved {
        let Transition::JobsRequeued {
            leases,
            how,
            charged,
            error,
        } = requeued
        else {
            return Ok(());
        };
        for lease in leases {
            if let Some(kind) = verdict_of(*how) {
                self.remember_verdict(*lease, kind);
            }
            let Some(mut detached) = self.detach(lease.job) else {
                unknown.check(|| format!("{:?} came back but is not known", lease.job))?;
                continue;
            };
            let attempts = &mut detached.job.attempts;
            *attempts = attempts.saturating_sub(u32::from(!charged));
            detached.job.count_return(*how);
            detached.job.set_error(error);
            detached.job.place = Place::Ready;
            self.attach(detached);
        }
        Ok(())
    }

    pub(super) fn make_ready(&mut self, jobs: &[JobSeq], unknown: Unknown) -> Evolved {
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

    pub(super) fn request_cancel(
        &mut self,
        job: JobSeq,
        reason: &str,
        unknown: Unknown,
    ) -> Evolved {
        match self.jobs.get_mut(job) {
            Some(job) => {
                job.more.get_or_insert_default().cancel = Some(reason.into());
                Ok(())
            }
            None => unknown.check(|| format!("{job:?} is to be cancelled but is not leased")),
        }
    }

    pub(super) fn remove_jobs(&mut self, jobs: &[JobSeq], unknown: Unknown) -> Evolved {
        for job in jobs {
            let Some(detached) = self.detach(*job) else {
                unknown.check(|| format!("{job:?} was removed but is not known"))?;
                continue;
            };
            self.forget(&detached);
        }
        Ok(())
    }

    pub(super) fn take_restated_run(&mut self, run: &Transition, unknown: Unknown) -> Evolved {
        let Transition::JobsRestated {
            first,
            queue,
            put_time,
            settings,
            sizes,
        } = run
        else {
            return Ok(());
        };
        let (first, queue, put_time) = (*first, *queue, *put_time);
        let end = first.plus(u64::from(sizes.count()));
        if !self.any_taken(first, sizes.count()) {
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
        Requeue::TakenBack | Requeue::Expired | Requeue::Unheard | Requeue::Redriven => None,
    }
}
