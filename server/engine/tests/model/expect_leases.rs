//! What Put, sessions, Settle and Extend have to do by themselves.

use leaseq_engine::command::{Extend, OpenSession, Put, Settle, Verdict};
use leaseq_engine::effect::{Extension, Reply};
use leaseq_engine::id::{LeaseRef, SessionId};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::time::Duration;
use leaseq_engine::transition::{End, Requeue, VerdictKind};

use crate::expect::Answer;
use crate::reference::{Back, Reference, Session, State, Wait, Who};

impl Reference {
    pub fn expect_put(&mut self, put: &Put) -> Option<Answer> {
        match self.may_put(put, true) {
            Ok(Some(repeat)) => Some(Ok(repeat)),
            Ok(None) => Some(Ok(self.put(put))),
            Err(full @ Rejection::QueueFull { .. }) => {
                let waits = put.until.is_some_and(|until| until > self.now);
                if !waits || self.never_fits(put) {
                    return Some(Err(full));
                }
                self.waits.push((put.ticket, Wait::Put(put.clone())));
                None
            }
            Err(other) => Some(Err(other)),
        }
    }

    pub fn expect_open(&mut self, open: &OpenSession) -> Answer {
        if self.draining {
            return Err(Rejection::Draining);
        }
        let session = Session {
            queues: open.queues.clone(),
            flow: open.flow,
            lease_duration: open.lease_duration,
            grace: open.grace,
            expire_time: self.now.after(open.lease_duration),
            draining: false,
            gone: false,
        };
        self.sessions.insert(open.session, session);
        let mut lost = Vec::new();
        for held in &open.held {
            match self.jobs.get_mut(&held.job).map(|job| &mut job.state) {
                Some(State::Leased(lease))
                    if lease.number == held.lease.0 && lease.who != Who::Get =>
                {
                    lease.who = Who::Session(open.session);
                    lease.worker = open.worker.to_string();
                }
                _ => lost.push(*held),
            }
        }
        Ok(Reply::Opened { lost })
    }

    pub fn close(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !session.gone {
            session.gone = true;
            session.expire_time = now.after(session.grace);
        }
        if session.expire_time <= now {
            for seq in self.held(id) {
                let lost = "the worker's session was lost";
                self.end_attempt(seq, Requeue::Expired, lost, Back::At(Duration::ZERO));
            }
        }
    }

    pub fn expect_settle(&mut self, settle: &Settle) -> Answer {
        self.renew(settle.session);
        let mut results = Vec::new();
        for settlement in &settle.settlements {
            results.push(match settlement {
                Err(refused) => Err(refused.clone()),
                Ok(settlement) => self.settle_one(settlement.lease, &settlement.verdict),
            });
        }
        Ok(Reply::Settled(results))
    }

    pub fn settle_one(&mut self, lease: LeaseRef, verdict: &Verdict) -> Result<(), Rejection> {
        if self.lease(lease).is_none() {
            return match self.recall(lease) {
                Some(first) => verdict_again(first, verdict),
                None => Err(self.lost(lease)),
            };
        }
        self.remember(lease, kind_of(verdict));
        let job = &self.jobs[&lease.job];
        match verdict {
            Verdict::Complete { result } => self.end(lease.job, End::Completed, "", result),
            Verdict::Fail { error, retry_delay } => {
                let back = retry_delay.map_or(Back::Retry, Back::At);
                self.end_attempt(lease.job, Requeue::Failed, error, back);
            }
            Verdict::Reject { error } => match job.cancel.clone() {
                Some(reason) => self.end(lease.job, End::Cancelled, &reason, b""),
                None => self.end(lease.job, End::Dead, error, b""),
            },
            Verdict::Release { delay } => {
                self.end_attempt(lease.job, Requeue::Released, "", Back::At(*delay));
            }
        }
        Ok(())
    }

    pub fn lost(&self, lease: LeaseRef) -> Rejection {
        let state = self.jobs.get(&lease.job).map(|job| job.job_state());
        Rejection::LeaseLost { state }
    }

    pub fn expect_extend(&mut self, extend: &Extend) -> Answer {
        self.renew(extend.session);
        let mut results = Vec::new();
        for lease in &extend.leases {
            let lease = *lease.as_ref().unwrap();
            let Some(current) = self.lease(lease).cloned() else {
                results.push(Err(self.lost(lease)));
                continue;
            };
            let mut expire_time = self.expire_time(&current);
            if current.who == Who::Get {
                let asked = extend.lease_duration.unwrap_or(current.duration);
                expire_time = expire_time.max(self.now.after(asked));
            }
            let job = self.jobs.get_mut(&lease.job).unwrap();
            if let State::Leased(current) = &mut job.state {
                if current.who == Who::Get {
                    current.expire_time = expire_time;
                    current.heard = true;
                }
                if !extend.progress.is_empty() {
                    current.progress = extend.progress.to_string();
                }
            }
            results.push(Ok(Extension {
                expire_time,
                cancel_requested: job.cancel.is_some(),
            }));
        }
        Ok(Reply::Extended(results))
    }
}

fn kind_of(verdict: &Verdict) -> VerdictKind {
    match verdict {
        Verdict::Complete { .. } => VerdictKind::Complete,
        Verdict::Fail { .. } => VerdictKind::Fail,
        Verdict::Reject { .. } => VerdictKind::Reject,
        Verdict::Release { .. } => VerdictKind::Release,
    }
}

/// The answer to a verdict on a lease that `first` has settled.
pub fn verdict_again(first: VerdictKind, verdict: &Verdict) -> Result<(), Rejection> {
    if first == kind_of(verdict) {
        Ok(())
    } else {
        Err(Rejection::AlreadySettled { verdict: first })
    }
}
