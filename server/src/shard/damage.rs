//! Contents that cannot be read end their jobs, and not the server.
//!
//! Contents are read after the batch is durable, so a lease was granted already for a job
//! whose content then turns out to be damaged. The job is left out of its delivery, all
//! others go out, and a command from the server itself ends the job durably. A read that
//! fails for a reason that passes ends nothing: the job goes back to its queue.

use std::fmt::Display;

use leaseq_engine::command::Command;
use leaseq_engine::effect::{Effect, Grant, JobResult, Reply};
use leaseq_engine::id::{JobId, JobSeq, LeaseRef};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::transition::Content;
use leaseq_store::StoreError;
use tracing::error;

use super::answer::Refusal;
use super::committer::Committer;

/// The jobs whose contents could not be read, each with the reason.
type Unread = Vec<(JobSeq, StoreError)>;

impl Committer {
    /// The effect without the jobs whose contents cannot be read, and the contents of the
    /// others. `None`: nothing is left to let out.
    pub(super) fn without_unreadable(
        &mut self,
        effect: Effect,
        wanted: &[JobSeq],
    ) -> Result<Option<(Effect, Vec<Content>)>, StoreError> {
        let (contents, unread) = self.read_each(wanted)?;
        Ok(match effect {
            Effect::Deliver {
                session,
                queue,
                grants,
                expire_time,
            } => {
                let grants = self.readable(grants, &unread);
                let deliver = Effect::Deliver {
                    session,
                    queue,
                    grants,
                    expire_time,
                };
                (!contents.is_empty()).then_some((deliver, contents))
            }
            Effect::Reply {
                ticket,
                reply:
                    Ok(Reply::Got {
                        grants,
                        expire_time,
                    }),
            } => {
                let grants = self.readable(grants, &unread);
                let reply = Ok(Reply::Got {
                    grants,
                    expire_time,
                });
                Some((Effect::Reply { ticket, reply }, contents))
            }
            Effect::Reply { ticket, reply } => {
                let job = reply.as_ref().ok().and_then(asked_about);
                if let Some(refusal) = self.refusal(job, unread) {
                    self.outboxes.answer(ticket, Err(refusal));
                    return Ok(None);
                }
                Some((Effect::Reply { ticket, reply }, contents))
            }
            other => Some((other, contents)),
        })
    }

    /// Reads contents one by one.
    fn read_each(&mut self, jobs: &[JobSeq]) -> Result<(Vec<Content>, Unread), StoreError> {
        let (mut contents, mut unread) = (Vec::with_capacity(jobs.len()), Vec::new());
        for job in jobs {
            match self.store.contents(&[*job]) {
                Ok(content) => contents.extend(content),
                Err(error) if error.job().is_some() => unread.push((*job, error)),
                Err(error) => return Err(error),
            }
        }
        Ok((contents, unread))
    }

    /// The grants that can be delivered. The others end with their jobs, or go back.
    fn readable(&self, mut grants: Vec<Grant>, unread: &Unread) -> Vec<Grant> {
        grants.retain(|grant| {
            let Some((job, error)) = unread.iter().find(|(job, _)| *job == grant.job) else {
                return true;
            };
            self.handle.tell(match error {
                StoreError::ContentBusy { .. } => Command::TakeBack {
                    leases: vec![LeaseRef {
                        job: *job,
                        lease: grant.lease,
                    }],
                },
                _ => self.content_lost(*job, error, false),
            });
            false
        });
        grants
    }

    /// The answer to a caller that asked for the content of one job.
    fn refusal(&self, id: Option<JobId>, unread: Unread) -> Option<Refusal> {
        let (job, error) = unread.into_iter().next()?;
        if matches!(error, StoreError::ContentBusy { .. }) {
            return Some(Refusal::ContentBusy);
        }
        self.handle.tell(self.content_lost(job, &error, true));
        id.map(|job| Refusal::Rejected(Rejection::ContentDamaged { job }))
    }

    /// The command that ends the job; the log says why.
    pub(super) fn content_lost(
        &self,
        job: JobSeq,
        error: &dyn Display,
        unless_leased: bool,
    ) -> Command {
        error!(
            job = job.0,
            %error,
            "a content is damaged: its job ends as dead with CONTENT_DAMAGED, others go on"
        );
        Command::ContentLost {
            job,
            error: format!("CONTENT_DAMAGED: {error}").into(),
            unless_leased,
        }
    }
}

/// The job whose content was asked for.
fn asked_about(reply: &Reply) -> Option<JobId> {
    match reply {
        Reply::Job { job, .. } => Some(job.id),
        Reply::JobWaited {
            outcome: Some(outcome),
            result: JobResult::Stored(_),
            ..
        } => Some(outcome.job),
        _ => None,
    }
}
