//! The contents that a store must have, and those that it may have.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, End, Transition};

/// Which contents a store must have.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) kept: BTreeMap<JobSeq, Content>,
    /// Of jobs that ended in the last batch.
    pub(super) last: BTreeMap<JobSeq, Content>,
    /// Jobs whose content in `last` may be gone by now.
    pub(super) unclear: BTreeSet<JobSeq>,
}

impl Contents {
    pub(super) fn must_be_gone(&self, job: JobSeq) -> bool {
        let known = self.last.contains_key(&job) || self.kept.contains_key(&job);
        !known && !self.unclear.contains(&job)
    }

    /// What ended in the last batch may go now.
    pub(super) fn let_last_go(&mut self) {
        self.unclear
            .extend(std::mem::take(&mut self.last).into_keys());
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&JobSeq, &Content)> {
        let sure =
            |(job, _): &(&JobSeq, _)| !self.last.contains_key(job) && !self.unclear.contains(job);
        self.last.iter().chain(self.kept.iter().filter(sure))
    }

    pub(super) fn end(&mut self, job: JobSeq) {
        if let Some(content) = self.kept.remove(&job) {
            self.last.insert(job, content);
        }
    }

    pub(super) fn apply(&mut self, transition: &Transition) {
        if let Transition::JobsAdded {
            first, contents, ..
        } = transition
        {
            let jobs = (first.0..).map(JobSeq);
            self.kept.extend(jobs.zip(contents.iter().cloned()));
        } else if let Transition::OutcomeAdded { job, content, .. } = transition {
            self.kept.insert(*job, content.clone());
        } else if let Transition::ContentLost { job } = transition {
            self.kept.insert(*job, Content::default());
        } else if let Transition::JobsCompleted { leases } = transition {
            leases.iter().for_each(|lease| self.end(lease.job));
        } else if let Transition::JobsRemoved { jobs } = transition {
            jobs.iter().for_each(|job| self.end(*job));
        } else if let Transition::JobEnded {
            job,
            end,
            retain_until,
            result,
            ..
        } = transition
        {
            self.end_job(*job, *end, retain_until.is_some(), result);
        }
    }

    pub(super) fn end_job(&mut self, job: JobSeq, end: End, kept: bool, result: &Bytes) {
        if end == End::Completed && kept {
            if result.is_empty() {
                self.end(job);
            }
            let headers = Bytes::new();
            let payload = result.clone();
            self.kept.insert(job, Content { headers, payload });
        } else if end != End::Dead && !kept {
            self.end(job);
        }
    }
}
