//! Jobs as operators see and treat them.

use leaseq_engine::command::{Command, Read};
use leaseq_engine::effect::{Counts, JobView, Reply};
use leaseq_engine::id::{JobSeq, QueueName, Ticket};
use leaseq_engine::transition::JobState;
use leaseq_proto::v1;
use leaseq_proto::v1::{
    GetJobRequest, GetJobResponse, ListJobsRequest, ListJobsResponse, PurgeJobsRequest,
    PurgeJobsResponse, RedriveJobsRequest, RedriveJobsResponse,
};
use prost::Message;

use super::admin_queue::page_size;
use super::caller::Caller;
use super::convert::count;
use super::convert::job::{full_job, job, state};
use super::fault::{Fault, Invalid};
use super::token::Tokens;
use super::{Api, page_token};
use crate::shard::WallOffset;

/// How many jobs one command purges or redrives: more would hold up everyone else.
const STEP: u64 = 1_000;

/// A page of jobs is cut at this many bytes: less than clients take by default.
const PAGE_BYTES: usize = 3 << 20;

impl Api {
    pub(super) async fn get_job(
        &self,
        caller: &Caller,
        request: GetJobRequest,
    ) -> Result<GetJobResponse, Fault> {
        let job = caller.job("job_id", &request.job_id)?;
        let content = wants_content(request.view)?;
        let scope = caller.identity.scope().clone();
        let read = move |ticket| Command::Read {
            ticket,
            scope,
            read: Read::Job { job, content },
        };
        let answer = self.shard.call(read).await?;
        let Reply::Job { job, .. } = answer.reply else {
            return Err(Fault::other_answer());
        };
        let content = answer.contents.into_iter().next();
        let job = Some(full_job(*job, content, self.shard.offset()));
        Ok(GetJobResponse { job })
    }

    pub(super) async fn list_jobs(
        &self,
        caller: &Caller,
        request: ListJobsRequest,
    ) -> Result<ListJobsResponse, Fault> {
        let queue = caller.queue("queue", &request.queue)?;
        let state = state("state", request.state)?;
        let jobs_max = page_size(request.page_size)?;
        let tokens = Tokens::of(&self.shard)?;
        let asked = format!("jobs {queue} {}", request.state);
        let after = match page_token::place(&tokens, &asked, &request.page_token)? {
            None => None,
            Some(place) => {
                let seq = place.parse().map_err(|_| {
                    Invalid::new("page_token", "is not the next_page_token of this question")
                })?;
                Some(JobSeq(seq))
            }
        };
        let scope = caller.identity.scope().clone();
        let list = move |ticket| Command::Read {
            ticket,
            scope,
            read: Read::Jobs {
                queue,
                state,
                after,
                jobs_max,
            },
        };
        let Reply::Jobs { jobs, more } = self.ask(list).await? else {
            return Err(Fault::other_answer());
        };
        let (jobs, last) = page(jobs, more, self.shard.offset());
        let next = last.map(|seq| page_token::token(&tokens, &asked, &seq.0.to_string()));
        Ok(ListJobsResponse {
            jobs,
            next_page_token: next.unwrap_or_default(),
        })
    }

    pub(super) async fn purge_jobs(
        &self,
        caller: &Caller,
        request: PurgeJobsRequest,
    ) -> Result<PurgeJobsResponse, Fault> {
        let queue = caller.queue("queue", &request.queue)?;
        let states = purged_states(request.state)?;
        let counts = self.queue_view(caller, queue.clone()).await?.counts;
        let present = states.iter().map(|state| in_state(&counts, *state)).sum();
        let job_count = if request.force {
            self.purge(&queue, &states, present).await?
        } else {
            present
        };
        Ok(PurgeJobsResponse { job_count })
    }

    pub(super) async fn redrive_jobs(
        &self,
        caller: &Caller,
        request: RedriveJobsRequest,
    ) -> Result<RedriveJobsResponse, Fault> {
        let queue = caller.queue("queue", &request.queue)?;
        let dead = self.queue_view(caller, queue.clone()).await?.counts.dead;
        let wanted = match request.max_jobs {
            0 => dead,
            max => max.min(dead),
        };
        let redrive = |ticket, jobs_max| Command::Redrive {
            ticket,
            queue: queue.clone(),
            jobs_max,
        };
        let job_count = if request.force {
            self.in_steps(wanted, redrive).await?
        } else {
            wanted
        };
        Ok(RedriveJobsResponse {
            job_count,
            left_count: wanted.saturating_sub(job_count),
        })
    }

    /// Ends up to `jobs_max` jobs of a queue that are in one of `states`; says how many.
    pub(super) async fn purge(
        &self,
        queue: &QueueName,
        states: &[JobState],
        jobs_max: u64,
    ) -> Result<u64, Fault> {
        let purge = |ticket, jobs_max| Command::Purge {
            ticket,
            queue: queue.clone(),
            states: states.to_vec(),
            jobs_max,
        };
        self.in_steps(jobs_max, purge).await
    }

    /// Repeats a bounded command until it has done `wanted` or finds no more. What was counted
    /// before is the end of it: jobs that come to be meanwhile would make it endless.
    async fn in_steps(
        &self,
        wanted: u64,
        command: impl Fn(Ticket, usize) -> Command,
    ) -> Result<u64, Fault> {
        let mut done = 0;
        while done < wanted {
            let step = STEP.min(wanted - done);
            let Reply::Count(count) = self.ask(|ticket| command(ticket, count(step))).await? else {
                return Err(Fault::other_answer());
            };
            done += count;
            if count < step {
                break;
            }
        }
        Ok(done)
    }
}

/// Whether a view shows payload, headers and result.
fn wants_content(view: i32) -> Result<bool, Invalid> {
    match v1::JobView::try_from(view) {
        Ok(v1::JobView::Unspecified | v1::JobView::Basic) => Ok(false),
        Ok(v1::JobView::Full) => Ok(true),
        Err(_) => Err(Invalid::new(
            "view",
            format!("is {view}, which is not a JobView of this server"),
        )),
    }
}

/// The states that a purge ends.
fn purged_states(wire: i32) -> Result<Vec<JobState>, Invalid> {
    match state("state", wire)? {
        None => Ok(vec![JobState::Ready, JobState::Scheduled]),
        Some(JobState::Leased) => Err(Invalid::new(
            "state",
            "is LEASED; leased jobs cannot be purged: cancel them, or wait until they are settled",
        )),
        Some(state) => Ok(vec![state]),
    }
}

fn in_state(counts: &Counts, state: JobState) -> u64 {
    match state {
        JobState::Scheduled => counts.scheduled,
        JobState::Ready => counts.ready,
        JobState::Leased => counts.leased,
        JobState::Completed => counts.completed,
        JobState::Dead => counts.dead,
        JobState::Cancelled => counts.cancelled,
    }
}

/// As many jobs as fit a page, and the last of them if there are more.
fn page(views: Vec<JobView>, more: bool, offset: WallOffset) -> (Vec<v1::Job>, Option<JobSeq>) {
    let (found, mut bytes) = (views.len(), 0);
    let mut jobs = Vec::with_capacity(found);
    let mut last = None;
    for view in views {
        let seq = view.job;
        let job = job(view, offset);
        bytes += job.encoded_len();
        if bytes > PAGE_BYTES && !jobs.is_empty() {
            break;
        }
        last = Some(seq);
        jobs.push(job);
    }
    let more = more || jobs.len() < found;
    (jobs, last.filter(|_| more))
}
