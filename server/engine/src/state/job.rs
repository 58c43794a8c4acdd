//! A live job that is tracked by itself: one that has been leased, scheduled or told
//! something of its own. A plain job that waits has none of this: it is a place
//! in a group and in a run of the ready order.

use std::time::Duration;

use crate::deadlines::{Deadline, JobDeadlines};
use crate::id::{JobSeq, LeaseNumber, SessionId};
use crate::settings::JobSettings;
use crate::state::evolve::is_session;
use crate::time::{LeaseTime, Time};
use crate::transition::{End, Holder, JobState, Outcome, Requeue};

/// A tracked job. What it shares with its neighbours is in its group.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Attempts that count, the present one included.
    pub(crate) attempts: u32,
    /// Where it is.
    pub(crate) place: Place,
    /// What few jobs have. `None` costs eight bytes.
    pub(crate) more: Option<Box<More>>,
}

/// What few jobs have.
#[derive(Clone, Debug, Default)]
pub(crate) struct More {
    /// The error of the last failed attempt.
    pub(crate) error: Box<str>,
    /// Why cancellation was asked, if it was.
    pub(crate) cancel: Option<Box<str>>,
    /// For an outcome job: the outcome.
    pub(crate) outcome: Option<Outcome>,
    /// How often it was released since the last other verdict.
    pub(crate) releases: u32,
    /// How often the lease of a Get expired without a sign from its worker.
    pub(crate) unheard: u32,
}

/// Where a job that has not ended is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Waits for its time.
    Scheduled { ready_time: Time },
    /// Can be leased; in the `returned` set of its lane.
    Ready,
    /// A worker has it.
    Leased(Lease),
}

/// The exclusive timed right to run a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) number: LeaseNumber,
    pub(crate) grant_time: LeaseTime,
    pub(crate) lease_duration: Duration,
    /// When it ends; counts for the lease of a Get only.
    pub(crate) expire_time: LeaseTime,
    pub(crate) holder: Holder,
    /// Whether its worker has extended it; counts for the lease of a Get only.
    pub(crate) heard: bool,
    /// Live-only: the session that holds it. Set when it is granted or adopted,
    /// never by a transition; `restored` binds it anew.
    pub(crate) session: Option<SessionId>,
}

impl Job {
    /// A job that has never been leased, somewhere.
    pub(crate) fn at(place: Place) -> Self {
        Self {
            attempts: 0,
            place,
            more: None,
        }
    }

    pub(crate) fn state(&self) -> JobState {
        match self.place {
            Place::Scheduled { .. } => JobState::Scheduled,
            Place::Ready => JobState::Ready,
            Place::Leased(_) => JobState::Leased,
        }
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.place {
            Place::Leased(lease) => Some(lease),
            Place::Scheduled { .. } | Place::Ready => None,
        }
    }

    pub(crate) fn error(&self) -> &str {
        self.more.as_ref().map_or("", |more| &more.error)
    }

    pub(crate) fn cancel(&self) -> Option<&str> {
        self.more.as_ref().and_then(|more| more.cancel.as_deref())
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.more.as_ref().and_then(|more| more.outcome.as_ref())
    }

    pub(crate) fn releases(&self) -> u32 {
        self.more.as_ref().map_or(0, |more| more.releases)
    }

    pub(crate) fn unheard(&self) -> u32 {
        self.more.as_ref().map_or(0, |more| more.unheard)
    }

    /// Counts what does not count as an attempt, and must not go on for ever.
    pub(crate) fn count_return(&mut self, how: Requeue) {
        match how {
            Requeue::Released => self.more.get_or_insert_default().releases += 1,
            Requeue::Unheard => self.more.get_or_insert_default().unheard += 1,
            Requeue::Failed => self.set_counts(0, self.unheard()),
            Requeue::Redriven => self.set_counts(0, 0),
            Requeue::TakenBack | Requeue::Expired => {}
        }
    }

    pub(crate) fn set_counts(&mut self, releases: u32, unheard: u32) {
        if self.more.is_some() || releases > 0 || unheard > 0 {
            let more = self.more.get_or_insert_default();
            (more.releases, more.unheard) = (releases, unheard);
        }
    }

    /// Empty keeps what is there.
    pub(crate) fn set_error(&mut self, error: &str) {
        if !error.is_empty() {
            self.more.get_or_insert_default().error = error.into();
        }
    }

    /// Empty: there is none.
    pub(crate) fn replace_error(&mut self, error: &str) {
        if !error.is_empty() || self.more.is_some() {
            self.more.get_or_insert_default().error = error.into();
        }
    }

    /// Adds the deadlines that follow from where the job is. Not inlined, and neither is
    /// the next one: most leases have none, and the loops over them are slower with it.
    #[inline(never)]
    pub(crate) fn add_deadlines(&self, job: JobSeq, settings: &JobSettings, to: &mut JobDeadlines) {
        match &self.place {
            Place::Scheduled { ready_time } => to.jobs.insert(*ready_time, Deadline::Ready(job)),
            Place::Ready => {}
            Place::Leased(lease) => {
                for (at, deadline) in lease.deadlines(job, settings).into_iter().flatten() {
                    to.leases.insert(at, deadline);
                }
            }
        }
    }

    #[inline(never)]
    pub(crate) fn drop_deadlines(
        &self,
        job: JobSeq,
        settings: &JobSettings,
        of: &mut JobDeadlines,
    ) {
        match &self.place {
            Place::Scheduled { ready_time } => {
                of.jobs.remove(*ready_time, Deadline::Ready(job));
            }
            Place::Ready => {}
            Place::Leased(lease) => {
                for (at, deadline) in lease.deadlines(job, settings).into_iter().flatten() {
                    of.leases.remove(at, deadline);
                }
            }
        }
    }

    /// How many of its deadlines are missing, and how many it has: for the scan.
    pub(crate) fn missing_deadlines(
        &self,
        job: JobSeq,
        settings: &JobSettings,
        of: &JobDeadlines,
    ) -> (usize, usize) {
        match &self.place {
            Place::Scheduled { ready_time } => {
                let there = of.jobs.contains(*ready_time, Deadline::Ready(job));
                (usize::from(!there), 1)
            }
            Place::Ready => (0, 0),
            Place::Leased(lease) => {
                let wanted = lease.deadlines(job, settings).into_iter().flatten();
                wanted.fold((0, 0), |(missing, all), (at, deadline)| {
                    let there = of.leases.contains(at, deadline);
                    (missing + usize::from(!there), all + 1)
                })
            }
        }
    }
}

impl Lease {
    /// Whether nothing shows that its worker knows of it: a session would have lost it as well.
    pub(crate) fn is_unheard(&self) -> bool {
        !self.heard && !is_session(self.holder)
    }

    /// Whether it has deadlines: most have none.
    pub(crate) fn is_timed(&self, settings: &JobSettings) -> bool {
        settings.run_time_max.is_some() || !is_session(self.holder)
    }

    fn deadlines(&self, job: JobSeq, settings: &JobSettings) -> [Option<(LeaseTime, Deadline)>; 2] {
        let expiry = match self.holder {
            Holder::Get => Some((self.expire_time, Deadline::Lease(job))),
            // One deadline for the session, none for each of its leases.
            Holder::Session => None,
        };
        let run_time = settings
            .run_time_max
            .map(|max| (self.grant_time.after(max), Deadline::RunTime(job)));
        [expiry, run_time]
    }
}

/// The state of a job that ended so.
pub(crate) fn state_of_end(end: End) -> JobState {
    match end {
        End::Completed => JobState::Completed,
        End::Dead => JobState::Dead,
        End::Cancelled => JobState::Cancelled,
    }
}
