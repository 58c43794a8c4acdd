//! Queues as resources.

use leaseq_engine::command::{Command, Read};
use leaseq_engine::effect::{QueueView, Reply};
use leaseq_engine::id::{QueueName, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::transition::JobState;
use leaseq_proto::v1;
use leaseq_proto::v1::{
    CreateQueueRequest, CreateQueueResponse, DeleteQueueRequest, DeleteQueueResponse,
    GetQueueRequest, GetQueueResponse, ListQueuesRequest, ListQueuesResponse, PauseQueueRequest,
    PauseQueueResponse, ResumeQueueRequest, ResumeQueueResponse, UpdateQueueRequest,
    UpdateQueueResponse,
};

use super::caller::Caller;
use super::convert::queue;
use super::fault::{Fault, Invalid};
use super::token::Tokens;
use super::{Api, page_token};
use crate::shard::Refusal;

/// The most entries of a page.
const PAGE_MAX: usize = 1_000;

/// The entries of a page unless the call says otherwise.
const PAGE: usize = 100;

/// Everything that a queue can hold.
const STATES: [JobState; 6] = [
    JobState::Scheduled,
    JobState::Ready,
    JobState::Leased,
    JobState::Completed,
    JobState::Dead,
    JobState::Cancelled,
];

/// How often a forced delete empties a queue into which jobs are still put.
const DELETE_TRIES: usize = 10;

impl Api {
    pub(super) async fn create_queue(
        &self,
        caller: &Caller,
        request: CreateQueueRequest,
    ) -> Result<CreateQueueResponse, Fault> {
        let wire = request.queue.unwrap_or_default();
        let queue = caller.queue("queue.name", &wire.name)?;
        let settings =
            queue::settings(&wire, &self.limits).map_err(|invalid| invalid.inside("queue"))?;
        let create = move |ticket| Command::CreateQueue {
            ticket,
            queue,
            settings,
        };
        let queue = Some(self.ask_queue(create).await?);
        Ok(CreateQueueResponse { queue })
    }

    pub(super) async fn get_queue(
        &self,
        caller: &Caller,
        request: GetQueueRequest,
    ) -> Result<GetQueueResponse, Fault> {
        let name = caller.queue("queue", &request.queue)?;
        let view = self.queue_view(caller, name).await?;
        let queue = Some(queue::queue(view, self.shard.offset()));
        Ok(GetQueueResponse { queue })
    }

    pub(super) async fn list_queues(
        &self,
        caller: &Caller,
        request: ListQueuesRequest,
    ) -> Result<ListQueuesResponse, Fault> {
        const ASKED: &str = "queues";
        let tokens = Tokens::of(&self.shard)?;
        let queues_max = page_size(request.page_size)?;
        let after = match page_token::place(&tokens, ASKED, &request.page_token)? {
            None => None,
            Some(name) => Some(super::convert::text::queue_name("page_token", name)?),
        };
        let scope = caller.identity.scope().clone();
        let list = move |ticket| Command::Read {
            ticket,
            scope,
            read: Read::Queues { after, queues_max },
        };
        let Reply::Queues { queues, more } = self.ask(list).await? else {
            return Err(Fault::other_answer());
        };
        let last = queues.last().filter(|_| more);
        let next = last.map(|view| page_token::token(&tokens, ASKED, view.name.as_str()));
        let offset = self.shard.offset();
        Ok(ListQueuesResponse {
            queues: queues
                .into_iter()
                .map(|view| queue::queue(view, offset))
                .collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    pub(super) async fn update_queue(
        &self,
        caller: &Caller,
        request: UpdateQueueRequest,
    ) -> Result<UpdateQueueResponse, Fault> {
        let wire = request.queue.unwrap_or_default();
        let queue = caller.queue("queue.name", &wire.name)?;
        let change = queue::change(&wire, request.update_mask.as_ref(), &self.limits)?;
        let revision = queue::revision(&wire.etag);
        let update = move |ticket| Command::UpdateQueue {
            ticket,
            queue,
            change,
            revision,
        };
        let queue = Some(self.ask_queue(update).await?);
        Ok(UpdateQueueResponse { queue })
    }

    pub(super) async fn pause_queue(
        &self,
        caller: &Caller,
        request: PauseQueueRequest,
    ) -> Result<PauseQueueResponse, Fault> {
        let name = caller.queue("queue", &request.queue)?;
        let queue = Some(self.set_paused(name, true).await?);
        Ok(PauseQueueResponse { queue })
    }

    pub(super) async fn resume_queue(
        &self,
        caller: &Caller,
        request: ResumeQueueRequest,
    ) -> Result<ResumeQueueResponse, Fault> {
        let name = caller.queue("queue", &request.queue)?;
        let queue = Some(self.set_paused(name, false).await?);
        Ok(ResumeQueueResponse { queue })
    }

    /// With `force`, empties the queue first, a bounded number of jobs at a time. Jobs that are
    /// put meanwhile are emptied too, a few times over.
    pub(super) async fn delete_queue(
        &self,
        caller: &Caller,
        request: DeleteQueueRequest,
    ) -> Result<DeleteQueueResponse, Fault> {
        let queue = caller.queue("queue", &request.queue)?;
        let mut job_count = 0;
        for _ in 0..DELETE_TRIES {
            let delete = |ticket| Command::DeleteQueue {
                ticket,
                queue: queue.clone(),
            };
            match self.ask(delete).await {
                Ok(_) => return Ok(DeleteQueueResponse { job_count }),
                Err(Fault::Refused(Refusal::Rejected(Rejection::QueueNotEmpty {
                    jobs, ..
                }))) if request.force => {
                    job_count += self.purge(&queue, &STATES, jobs).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
        let jobs = self.queue_view(caller, queue.clone()).await?.counts.total();
        Err(Rejection::QueueNotEmpty { queue, jobs }.into())
    }

    /// How a queue stands.
    pub(super) async fn queue_view(
        &self,
        caller: &Caller,
        queue: QueueName,
    ) -> Result<QueueView, Fault> {
        let scope = caller.identity.scope().clone();
        let read = move |ticket| Command::Read {
            ticket,
            scope,
            read: Read::Queue { queue },
        };
        self.ask_view(read).await
    }

    async fn set_paused(&self, queue: QueueName, paused: bool) -> Result<v1::Queue, Fault> {
        self.ask_queue(move |ticket| Command::PauseQueue {
            ticket,
            queue,
            paused,
        })
        .await
    }

    async fn ask_queue(&self, build: impl FnOnce(Ticket) -> Command) -> Result<v1::Queue, Fault> {
        let view = self.ask_view(build).await?;
        Ok(queue::queue(view, self.shard.offset()))
    }

    async fn ask_view(&self, build: impl FnOnce(Ticket) -> Command) -> Result<QueueView, Fault> {
        match self.ask(build).await? {
            Reply::Queue(view) => Ok(*view),
            _ => Err(Fault::other_answer()),
        }
    }
}

/// How many entries a page has.
pub(super) fn page_size(wire: i32) -> Result<usize, Invalid> {
    match usize::try_from(wire) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(PAGE_MAX)),
        Err(_) => Err(Invalid::new(
            "page_size",
            format!("is {wire}; it may not be negative"),
        )),
    }
}
