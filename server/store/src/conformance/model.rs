//! A naive engine: the state that transitions add up to, by the plainest means, and
//! the answers that compaction asks an engine for.

mod restate;

use std::collections::BTreeMap;

use leaseq_engine::id::{JobSeq, LeaseNumber, QueueId, RequestId};
use leaseq_engine::settings::JobSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{End, JobRestated, Requeue, Sizes, Status, Transition};

pub(super) use restate::sizes_of;
use restate::{joins, restate};

/// What transitions add up to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    /// Every job that is kept, as it would be restated.
    pub(super) jobs: BTreeMap<JobSeq, JobRestated>,
    /// The newest statement of each part of the ledger.
    namespace: Option<Transition>,
    queues: BTreeMap<QueueId, Transition>,
    puts: BTreeMap<RequestId, Transition>,
    pub(super) next_job: u64,
    pub(super) next_lease: u64,
    pub(super) next_queue: u32,
}

/// The size of each job.
pub(super) fn each(sizes: &Sizes) -> Vec<u32> {
    match sizes {
        Sizes::Uniform { count, size } => vec![*size; *count as usize],
        Sizes::Each(sizes) => sizes.to_vec(),
    }
}

impl Model {
    /// Takes a transition. A job that is not known is passed over while `trimmed`.
    ///
    /// # Errors
    /// When it contradicts what is known.
    pub fn apply(&mut self, transition: &Transition, trimmed: bool) -> Result<(), String> {
        match transition {
            Transition::NamespaceCreated { .. } => self.namespace = Some(transition.clone()),
            Transition::QueueSet { queue, .. } => {
                self.queues.insert(*queue, transition.clone());
                self.next_queue = self.next_queue.max(queue.0 + 1);
            }
            Transition::QueueDeleted { queue } => {
                self.queues.remove(queue);
            }
            Transition::PutRemembered { request_id, .. } => {
                self.puts.insert(*request_id, transition.clone());
            }
            Transition::CountersRestated {
                next_job,
                next_lease,
                next_queue,
            } => {
                self.next_job = self.next_job.max(next_job.0);
                self.next_lease = self.next_lease.max(next_lease.0);
                self.next_queue = self.next_queue.max(next_queue.0);
            }
            Transition::JobsAdded {
                first,
                queue,
                put_time,
                settings,
                sizes,
                ..
            } => self.add_run(*first, *queue, *put_time, settings, sizes),
            Transition::JobsRestated {
                first,
                queue,
                put_time,
                settings,
                sizes,
            } => {
                self.check_known(*first, each(sizes).len(), trimmed)?;
                self.add_run(*first, *queue, *put_time, settings, sizes);
            }
            Transition::JobRestated(job) => {
                self.check_known(job.job, 1, trimmed)?;
                self.jobs.insert(job.job, (**job).clone());
            }
            Transition::OutcomeAdded {
                job,
                queue,
                put_time,
                settings,
                outcome,
                size,
                ..
            } => {
                let sizes = Sizes::Uniform {
                    count: 1,
                    size: *size,
                };
                self.add_run(*job, *queue, *put_time, settings, &sizes);
                self.change(*job, trimmed, |job| job.outcome = Some(outcome.clone()))?;
            }
            Transition::Stalled { .. }
            | Transition::ClocksRead { .. }
            | Transition::LeasesGranted { .. }
            | Transition::LeaseExtended { .. }
            | Transition::JobsCompleted { .. }
            | Transition::JobEnded { .. }
            | Transition::JobRequeued { .. }
            | Transition::JobsRequeued { .. }
            | Transition::JobsReady { .. }
            | Transition::CancelRequested { .. }
            | Transition::ContentLost { .. }
            | Transition::JobsRemoved { .. } => return self.apply_to_jobs(transition, trimmed),
        }
        Ok(())
    }

    /// The transitions that speak of jobs there are.
    fn apply_to_jobs(&mut self, transition: &Transition, trimmed: bool) -> Result<(), String> {
        match transition {
            Transition::LeasesGranted {
                first_lease, jobs, ..
            } => {
                for (n, job) in (0..).zip(jobs) {
                    let status = leased(transition, LeaseNumber(first_lease.0 + n));
                    self.change(*job, trimmed, |job| {
                        job.attempts += 1;
                        job.status = status;
                    })?;
                }
                let next = first_lease.0 + jobs.len() as u64;
                self.next_lease = self.next_lease.max(next);
            }
            Transition::LeaseExtended {
                lease,
                expire_time: new,
            } => self.change(lease.job, trimmed, |job| {
                if let Status::Leased {
                    expire_time, heard, ..
                } = &mut job.status
                {
                    *expire_time = *new;
                    *heard = true;
                }
            })?,
            Transition::JobsCompleted { leases } => {
                for lease in leases {
                    self.remove(lease.job, trimmed)?;
                }
            }
            Transition::JobsRemoved { jobs } => {
                for job in jobs {
                    self.remove(*job, trimmed)?;
                }
            }
            Transition::JobEnded {
                job, end, error, ..
            } => self.end(*job, *end, error, transition, trimmed)?,
            Transition::JobRequeued {
                job,
                how,
                attempts,
                ready_time,
                error,
                ..
            } => self.change(*job, trimmed, |job| {
                job.attempts = *attempts;
                match how {
                    Requeue::Failed => job.releases = 0,
                    Requeue::Released => job.releases += 1,
                    Requeue::Unheard => job.unheard += 1,
                    Requeue::Redriven => (job.releases, job.unheard) = (0, 0),
                    Requeue::TakenBack | Requeue::Expired => {}
                }
                job.status = waiting(*ready_time);
                if !error.is_empty() {
                    job.error.clone_from(error);
                }
            })?,
            Transition::JobsRequeued {
                leases,
                how,
                charged,
                error,
            } => {
                for lease in leases {
                    self.change(lease.job, trimmed, |job| {
                        job.attempts = job.attempts.saturating_sub(u32::from(!charged));
                        job.unheard += u32::from(*how == Requeue::Unheard);
                        job.status = Status::Ready;
                        if !error.is_empty() {
                            job.error.clone_from(error);
                        }
                    })?;
                }
            }
            Transition::JobsReady { jobs } => {
                for job in jobs {
                    self.change(*job, trimmed, |job| job.status = Status::Ready)?;
                }
            }
            Transition::CancelRequested { job, reason } => {
                self.change(*job, trimmed, |job| job.cancel = Some(reason.clone()))?;
            }
            Transition::ContentLost { job } => self.change(*job, trimmed, |job| job.size = 0)?,
            Transition::Stalled { .. }
            | Transition::ClocksRead { .. }
            | Transition::NamespaceCreated { .. }
            | Transition::QueueSet { .. }
            | Transition::QueueDeleted { .. }
            | Transition::PutRemembered { .. }
            | Transition::CountersRestated { .. }
            | Transition::JobsAdded { .. }
            | Transition::OutcomeAdded { .. }
            | Transition::JobsRestated { .. }
            | Transition::JobRestated(_) => {}
        }
        Ok(())
    }

    fn end(
        &mut self,
        job: JobSeq,
        end: End,
        error: &str,
        transition: &Transition,
        trimmed: bool,
    ) -> Result<(), String> {
        let Transition::JobEnded {
            retain_until,
            result_size,
            ..
        } = transition
        else {
            return Ok(());
        };
        if end != End::Dead && retain_until.is_none() {
            return self.remove(job, trimmed);
        }
        self.change(job, trimmed, |job| {
            job.error = error.into();
            job.status = Status::Ended {
                end,
                retain_until: *retain_until,
            };
            if end == End::Completed {
                job.size = *result_size;
            }
        })
    }

    fn add_run(
        &mut self,
        first: JobSeq,
        queue: QueueId,
        put_time: Time,
        settings: &JobSettings,
        sizes: &Sizes,
    ) {
        for (n, size) in (0..).zip(each(sizes)) {
            let job = first.plus(n);
            let restated = JobRestated {
                job,
                queue,
                put_time,
                settings: settings.clone(),
                size,
                attempts: 0,
                releases: 0,
                unheard: 0,
                error: Box::default(),
                cancel: None,
                outcome: None,
                status: waiting(settings.ready_time),
            };
            self.jobs.insert(job, restated);
            self.next_job = self.next_job.max(job.0 + 1);
        }
    }

    fn check_known(&self, first: JobSeq, count: usize, trimmed: bool) -> Result<(), String> {
        let mut jobs = (0..count as u64).map(|n| first.plus(n));
        match jobs.find(|job| !trimmed && !self.jobs.contains_key(job)) {
            Some(job) => Err(format!("job {} is restated and was never put", job.0)),
            None => Ok(()),
        }
    }

    fn change(
        &mut self,
        job: JobSeq,
        trimmed: bool,
        change: impl FnOnce(&mut JobRestated),
    ) -> Result<(), String> {
        match self.jobs.get_mut(&job) {
            Some(job) => change(job),
            None if trimmed => {}
            None => return Err(format!("there is no job {}", job.0)),
        }
        Ok(())
    }

    fn remove(&mut self, job: JobSeq, trimmed: bool) -> Result<(), String> {
        match self.jobs.remove(&job) {
            None if !trimmed => Err(format!("there is no job {} to end", job.0)),
            Some(_) | None => Ok(()),
        }
    }

    /// The present state of these jobs; those that are not kept are passed over.
    #[must_use]
    pub fn restate_jobs(&self, jobs: &[JobSeq]) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for job in jobs.iter().filter_map(|job| self.jobs.get(job)) {
            if !joins(transitions.last_mut(), job) {
                transitions.push(restate(job));
            }
        }
        transitions
    }

    /// Everything that is not a job, with the Puts that are `wanted`.
    #[must_use]
    pub fn restate_ledger(&self, wanted: impl Fn(RequestId) -> bool) -> Vec<Transition> {
        let parts = self.namespace.iter().chain(self.queues.values());
        let puts = self.puts.iter().filter(|(id, _)| wanted(**id));
        let parts = parts.chain(puts.map(|(_, put)| put));
        let mut transitions: Vec<Transition> = parts.cloned().collect();
        transitions.push(Transition::CountersRestated {
            next_job: JobSeq(self.next_job),
            next_lease: LeaseNumber(self.next_lease),
            next_queue: QueueId(self.next_queue),
        });
        transitions
    }

    /// The jobs that are kept.
    #[must_use]
    pub fn kept(&self) -> Vec<JobSeq> {
        self.jobs.keys().copied().collect()
    }
}

fn waiting(ready_time: Option<Time>) -> Status {
    match ready_time {
        Some(ready_time) => Status::Scheduled { ready_time },
        None => Status::Ready,
    }
}

/// The status that a grant gives to the job with this lease.
fn leased(grant: &Transition, lease: LeaseNumber) -> Status {
    let Transition::LeasesGranted {
        grant_time,
        holder,
        lease_duration,
        ..
    } = grant
    else {
        return Status::Ready;
    };
    Status::Leased {
        lease,
        grant_time: *grant_time,
        lease_duration: *lease_duration,
        expire_time: grant_time.after(*lease_duration),
        holder: *holder,
        heard: false,
    }
}
