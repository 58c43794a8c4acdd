//! What is wrong with an operator's request is named, and nothing of it is done.

use leaseq_proto::v1::{
    CancelJobRequest, CreateQueueRequest, GetJobRequest, ListJobsRequest, ListQueuesRequest,
    PurgeJobsRequest, Queue as QueueProto, RetryPolicy, UpdateQueueRequest, WaitJobRequest,
};

use crate::support::*;

#[tokio::test]
async fn jobs_and_pages() {
    let harness = Harness::start().await;
    let (mut client, mut admin) = (harness.queue(), harness.admin());
    for id in ["", "seven", "00000000-0000-4000-8000-000000000000"] {
        let job_id = id.to_owned();
        let cancel = CancelJobRequest {
            job_id: job_id.clone(),
            reason: String::new(),
        };
        refused_field(client.cancel_job(cancel).await, BAD, "job_id");
        let wait = WaitJobRequest {
            job_id: job_id.clone(),
            wait: None,
        };
        refused_field(client.wait_job(wait).await, BAD, "job_id");
        refused_field(
            admin.get_job(GetJobRequest { job_id, view: 0 }).await,
            BAD,
            "job_id",
        );
    }
    let list = || ListJobsRequest {
        queue: "numbers".into(),
        ..ListJobsRequest::default()
    };
    let cases = [
        (
            ListJobsRequest {
                page_size: -1,
                ..list()
            },
            "page_size",
        ),
        (
            ListJobsRequest {
                page_token: "garbage".into(),
                ..list()
            },
            "page_token",
        ),
        (
            ListJobsRequest {
                state: 99,
                ..list()
            },
            "state",
        ),
    ];
    for (request, named) in cases {
        refused_field(admin.list_jobs(request).await, BAD, named);
    }
    let queues = ListQueuesRequest {
        page_token: "numbers.0".into(),
        ..Default::default()
    };
    refused_field(admin.list_queues(queues).await, BAD, "page_token");
    let purge = PurgeJobsRequest {
        queue: "numbers".into(),
        state: 3,
        force: true,
    };
    refused_field(admin.purge_jobs(purge).await, BAD, "state");
}

#[tokio::test]
async fn settings() {
    let harness = Harness::start().await;
    let mut admin = harness.admin();
    let good = || QueueProto {
        name: "numbers".into(),
        ..QueueProto::default()
    };
    let cases = [
        (
            QueueProto {
                max_attempts: 1001,
                ..good()
            },
            "queue.max_attempts",
        ),
        (
            QueueProto {
                lease_duration: negative(),
                ..good()
            },
            "queue.lease_duration",
        ),
        (
            QueueProto {
                result_retention: negative(),
                ..good()
            },
            "queue.result_retention",
        ),
        (
            QueueProto {
                retry: Some(RetryPolicy {
                    multiplier: -1.0,
                    ..RetryPolicy::default()
                }),
                ..good()
            },
            "queue.retry.multiplier",
        ),
    ];
    for (queue, named) in cases {
        let queue = Some(queue);
        refused_field(
            admin
                .create_queue(CreateQueueRequest {
                    queue: queue.clone(),
                })
                .await,
            BAD,
            named,
        );
        let update = UpdateQueueRequest {
            queue,
            update_mask: None,
        };
        refused_field(admin.update_queue(update).await, BAD, named);
    }
    let paths = vec!["max_jobs".to_owned(), "name".to_owned()];
    let update_mask = Some(prost_types::FieldMask { paths });
    let update = UpdateQueueRequest {
        queue: Some(good()),
        update_mask,
    };
    refused_field(
        admin.update_queue(update).await,
        BAD,
        "update_mask.paths[1]",
    );
    assert_eq!(queue_count(&harness).await, 0, "nothing of it was done");
}
