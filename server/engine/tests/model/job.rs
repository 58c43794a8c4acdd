//! A job of the naive queue.

use std::time::Duration;

use leaseq_engine::id::{QueueName, SessionId};
use leaseq_engine::settings::JobSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{End, JobState, Outcome};

#[derive(Clone, Debug)]
pub struct Job {
    pub queue: QueueName,
    pub put_time: Time,
    pub settings: JobSettings,
    pub size: u32,
    pub attempts: u32,
    /// In a row, without another verdict.
    pub releases: u32,
    /// Leases of Gets that expired without a sign from their worker.
    pub unheard: u32,
    pub error: String,
    pub cancel: Option<String>,
    pub outcome: Option<Outcome>,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Scheduled(Time),
    Ready,
    Leased(Lease),
    Ended { end: End, until: Option<Time> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub number: u64,
    pub grant_time: Time,
    pub duration: Duration,
    pub expire_time: Time,
    pub who: Who,
    /// Its worker has extended it.
    pub heard: bool,
    pub worker: String,
    pub progress: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Get,
    Session(SessionId),
    /// Of a session before the restart, until then.
    Orphan(Time),
}

impl Job {
    pub fn job_state(&self) -> JobState {
        match &self.state {
            State::Scheduled(_) => JobState::Scheduled,
            State::Ready => JobState::Ready,
            State::Leased(_) => JobState::Leased,
            State::Ended { end, .. } => state_of(*end),
        }
    }

    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }
}

pub fn state_of(end: End) -> JobState {
    match end {
        End::Completed => JobState::Completed,
        End::Dead => JobState::Dead,
        End::Cancelled => JobState::Cancelled,
    }
}
