//! What operators call.

use leaseq_proto::v1 as proto;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::JobState;
use crate::queue::{JobInfo, Page, PageRequest, QueueInfo, QueueSettings, ServerInfo};
use crate::wire;

/// One call of AdminService: the request is made anew for each attempt.
macro_rules! call {
    ($client:expr, $method:ident, $request:expr) => {{
        let message = $request;
        $client
            .call(|| {
                let request = $client.request(message.clone());
                let mut stub = $client.admin();
                async move { stub.$method(request).await }
            })
            .await
    }};
}

impl Client {
    /// Creates a queue. [`Error::QueueExists`] if there is one of that name.
    pub async fn create_queue(
        &self,
        name: impl Into<String>,
        settings: QueueSettings,
    ) -> Result<QueueInfo> {
        let queue = Some(settings.into_proto(name.into(), String::new()));
        known(call!(self, create_queue, proto::CreateQueueRequest { queue })?.queue)
    }

    /// Shows one queue with its counts.
    pub async fn get_queue(&self, name: impl Into<String>) -> Result<QueueInfo> {
        let queue = name.into();
        known(call!(self, get_queue, proto::GetQueueRequest { queue })?.queue)
    }

    /// Lists queues by name, a page at a time.
    pub async fn list_queues(&self, page: PageRequest) -> Result<Page<QueueInfo>> {
        let request = proto::ListQueuesRequest {
            page_size: page_size(&page),
            page_token: page.token,
        };
        let response = call!(self, list_queues, request)?;
        Ok(Page {
            entries: response
                .queues
                .into_iter()
                .map(QueueInfo::from_proto)
                .collect(),
            next: wire::non_empty(response.next_page_token),
        })
    }

    /// Changes the settings that are given; the others stay. With an `etag` that was read before,
    /// it is an [`Error::QueueChanged`] if someone else was faster.
    pub async fn update_queue(
        &self,
        name: impl Into<String>,
        settings: QueueSettings,
        etag: Option<&str>,
    ) -> Result<QueueInfo> {
        let update_mask = Some(settings.mask());
        let etag = etag.unwrap_or_default().to_owned();
        let queue = Some(settings.into_proto(name.into(), etag));
        known(
            call!(
                self,
                update_queue,
                proto::UpdateQueueRequest { queue, update_mask }
            )?
            .queue,
        )
    }

    /// Deletes a queue and says how many jobs went with it. With jobs in it: only with `force`.
    pub async fn delete_queue(&self, name: impl Into<String>, force: bool) -> Result<u64> {
        let queue = name.into();
        Ok(call!(
            self,
            delete_queue,
            proto::DeleteQueueRequest { queue, force }
        )?
        .job_count)
    }

    /// Stops leasing from a queue. Puts, settlements and held leases go on.
    pub async fn pause_queue(&self, name: impl Into<String>) -> Result<QueueInfo> {
        let queue = name.into();
        known(call!(self, pause_queue, proto::PauseQueueRequest { queue })?.queue)
    }

    /// Leases from a paused queue again.
    pub async fn resume_queue(&self, name: impl Into<String>) -> Result<QueueInfo> {
        let queue = name.into();
        known(call!(self, resume_queue, proto::ResumeQueueRequest { queue })?.queue)
    }

    /// Shows one job, without payload, headers and result.
    pub async fn get_job(&self, job: impl AsRef<str>) -> Result<JobInfo> {
        self.view_job(job.as_ref(), proto::JobView::Basic).await
    }

    /// Shows one job with payload, headers and result.
    pub async fn get_job_full(&self, job: impl AsRef<str>) -> Result<JobInfo> {
        self.view_job(job.as_ref(), proto::JobView::Full).await
    }

    async fn view_job(&self, job_id: &str, view: proto::JobView) -> Result<JobInfo> {
        let request = proto::GetJobRequest {
            job_id: job_id.to_owned(),
            view: view.into(),
        };
        let job = call!(self, get_job, request)?.job;
        job.map(JobInfo::from_proto).ok_or_else(|| left_out("job"))
    }

    /// Lists jobs of one queue in put order, a page at a time; all of them, or those in one state.
    pub async fn list_jobs(
        &self,
        queue: impl Into<String>,
        state: Option<JobState>,
        page: PageRequest,
    ) -> Result<Page<JobInfo>> {
        let request = proto::ListJobsRequest {
            queue: queue.into(),
            state: state_number(state),
            page_size: page_size(&page),
            page_token: page.token,
        };
        let response = call!(self, list_jobs, request)?;
        Ok(Page {
            entries: response.jobs.into_iter().map(JobInfo::from_proto).collect(),
            next: wire::non_empty(response.next_page_token),
        })
    }

    /// Ends the jobs of a queue that are in one state (`None`: the ready and the scheduled), and
    /// says how many. Without `force` it only counts them.
    pub async fn purge_jobs(
        &self,
        queue: impl Into<String>,
        state: Option<JobState>,
        force: bool,
    ) -> Result<u64> {
        let request = proto::PurgeJobsRequest {
            queue: queue.into(),
            state: state_number(state),
            force,
        };
        Ok(call!(self, purge_jobs, request)?.job_count)
    }

    /// Makes dead jobs of a queue ready again, at most `max_jobs` (0: all), and says how many.
    /// Without `force` it only counts them.
    pub async fn redrive_jobs(
        &self,
        queue: impl Into<String>,
        max_jobs: u64,
        force: bool,
    ) -> Result<u64> {
        let request = proto::RedriveJobsRequest {
            queue: queue.into(),
            max_jobs,
            force,
        };
        Ok(call!(self, redrive_jobs, request)?.job_count)
    }

    /// Says what the server is, what it promises and how it is limited.
    pub async fn server_info(&self) -> Result<ServerInfo> {
        let response = call!(self, get_server_info, proto::GetServerInfoRequest {})?;
        Ok(ServerInfo::from_proto(response))
    }

    /// All queues, by name.
    pub async fn all_queues(&self) -> Result<Vec<QueueInfo>> {
        let mut queues = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.list_queues(PageRequest { size: 1000, token }).await?;
            queues.extend(page.entries);
            match page.next {
                Some(next) => token = next,
                None => return Ok(queues),
            }
        }
    }
}

fn page_size(page: &PageRequest) -> i32 {
    i32::try_from(page.size).unwrap_or(i32::MAX)
}

fn state_number(state: Option<JobState>) -> i32 {
    state.map_or(0, |state| state.into_proto().into())
}

fn known(queue: Option<proto::Queue>) -> Result<QueueInfo> {
    queue
        .map(QueueInfo::from_proto)
        .ok_or_else(|| left_out("queue"))
}

fn left_out(what: &str) -> Error {
    Error::Internal {
        message: format!("the server's answer has no {what}"),
    }
}
