//! What each transition does to the state: queues, clock, counters and memory here,
//! jobs in `evolve_jobs`. No decisions: those were made when the transition was
//! emitted, and time never matters here.

use crate::engine::RestoreError;
use crate::id::{LeaseNumber, LeaseRef, NamespaceTag, QueueId, SessionId};
use crate::state::State;
use crate::state::remembered::RememberedPut;
use crate::transition::{ClockReading, Holder, Transition, VerdictKind};

/// Whether a transition could follow.
pub(super) type Evolved = Result<(), RestoreError>;

/// What a transition that speaks of something unknown means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The journal is whole: it contradicts itself.
    Contradiction,
    /// Its beginning is gone and what is still alive is restated further on.
    PassOver,
}

impl Unknown {
    pub(super) fn check(self, what: impl FnOnce() -> String) -> Evolved {
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
                self.create_namespace((*tag, *token_key))
            }
            Transition::Stalled { by } => {
                self.lease_clock.stall(*by);
                Ok(())
            }
            Transition::ClocksRead {
                time,
                wall,
                running,
                boot,
            } => {
                self.clocks = Some(ClockReading {
                    time: *time,
                    wall: *wall,
                    running: *running,
                    boot: *boot,
                });
                Ok(())
            }
            Transition::QueueSet { .. } => {
                self.set_queue(transition);
                Ok(())
            }
            Transition::QueueDeleted { queue } => self.delete_queue(*queue, unknown),
            Transition::PutRemembered { .. } => {
                self.remember_put(transition);
                Ok(())
            }
            Transition::CountersRestated { .. } => {
                self.take_counters(transition);
                Ok(())
            }
            Transition::JobsAdded { .. } => self.put_jobs(transition, unknown),
            Transition::OutcomeAdded { .. } => self.put_outcome(transition, unknown),
            Transition::LeasesGranted { .. } => self.grant_all(transition, session, unknown),
            Transition::LeaseExtended { lease, expire_time } => {
                self.extend(*lease, *expire_time, unknown)
            }
            Transition::JobsCompleted { leases } => self.complete_all(leases, unknown),
            Transition::JobEnded { .. } => self.end_job(transition, unknown),
            Transition::JobRequeued { .. } => self.requeue_job(transition, unknown),
            Transition::JobsRequeued { .. } => self.requeue_jobs(transition, unknown),
            Transition::JobsReady { jobs } => self.make_ready(jobs, unknown),
            Transition::CancelRequested { job, reason } => {
                self.request_cancel(*job, reason, unknown)
            }
            Transition::JobsRemoved { jobs } => self.remove_jobs(jobs, unknown),
            Transition::ContentLost { job } => self.lose_content(*job, unknown),
            Transition::JobRestated(restated) => self.take_restated(restated, unknown),
            Transition::JobsRestated { .. } => self.take_restated_run(transition, unknown),
        }
    }

    fn create_namespace(&mut self, identity: (NamespaceTag, [u8; 16])) -> Evolved {
        if self.identity.is_some_and(|ours| ours != identity) {
            return Err(RestoreError("the namespace was created twice".into()));
        }
        self.identity = Some(identity);
        Ok(())
    }

    fn set_queue(&mut self, set: &Transition) {
        let Transition::QueueSet {
            queue,
            name,
            settings,
            paused,
            revision,
            create_time,
        } = set
        else {
            return;
        };
        self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
        let of = self.queues.entry(*queue, name, settings);
        of.settings = settings.clone();
        of.paused = *paused;
        of.revision = *revision;
        of.create_time = *create_time;
    }

    fn remember_put(&mut self, remembered: &Transition) {
        let Transition::PutRemembered {
            request_id,
            first,
            count,
            jobs,
            put_time,
        } = remembered
        else {
            return;
        };
        let put = RememberedPut {
            first: *first,
            count: *count,
            jobs: *jobs,
            put_time: *put_time,
        };
        self.remembered.insert(*request_id, put);
    }

    fn take_counters(&mut self, counters: &Transition) {
        let Transition::CountersRestated {
            next_job,
            next_lease,
            next_queue,
        } = counters
        else {
            return;
        };
        self.next_job = self.next_job.max(*next_job);
        self.advance_leases(*next_lease);
        self.next_queue = self.next_queue.max(*next_queue);
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

    pub(crate) fn advance_leases(&mut self, next: LeaseNumber) {
        self.next_lease = self.next_lease.max(next);
        self.verdicts.granted_up_to(self.next_lease);
    }

    /// In a trimmed journal the end of a lease may be there and its grant not.
    pub(crate) fn remember_verdict(&mut self, lease: LeaseRef, kind: VerdictKind) {
        if lease.lease >= self.next_lease {
            self.advance_leases(LeaseNumber(lease.lease.0 + 1));
        }
        self.verdicts.remember(lease, kind);
    }
}

/// Whether the holder is a session: nobody extends those one by one.
pub(crate) fn is_session(holder: Holder) -> bool {
    match holder {
        Holder::Session => true,
        Holder::Get => false,
    }
}
