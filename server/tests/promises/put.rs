//! A Put that was answered has happened, as a whole and once.

use std::collections::BTreeMap;

use leaseq_proto::v1::new_job::Start;
use leaseq_proto::v1::{GetQueueRequest, JobOptions, NewJob, PutRequest, QueueStats};
use tonic::Code;

use crate::support::*;

async fn stats(harness: &Harness, queue: &str) -> QueueStats {
    let queue = queue.to_owned();
    let answer = harness.admin().get_queue(GetQueueRequest { queue }).await;
    let queue = answer.unwrap().into_inner().queue.unwrap();
    queue.stats.unwrap()
}

#[tokio::test]
async fn what_was_put_is_what_the_worker_gets() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let headers: BTreeMap<String, String> =
        [("content-type", "text/plain"), ("trace", ""), ("ü", "ß")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    let new = NewJob::new(vec![0, 255, 13]).with(JobOptions {
        headers: headers.clone(),
        priority: -3,
        max_attempts: 7,
        max_run_time: millis(60_000),
        ..JobOptions::default()
    });
    let ids = put(&mut client, "numbers", [new]).await;
    let [job] = &get(&mut client, "numbers", 10).await[..] else {
        panic!("one job")
    };
    assert_eq!(job.id, ids[0]);
    assert_eq!(&job.payload[..], [0, 255, 13]);
    assert_eq!(job.headers, headers);
    assert_eq!((job.attempt, job.max_attempts, job.priority), (1, 7, -3));
    assert_eq!(job.max_run_time, millis(60_000));
    assert!(job.fencing_number > 0 && job.outcome.is_none());
}

#[tokio::test]
async fn jobs_come_by_priority_and_then_in_put_order() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let with = |payload: &str, priority| {
        job(payload).with(JobOptions {
            priority,
            ..JobOptions::default()
        })
    };
    let first = [with("c", 0), with("a", 9), with("d", 0), with("e", -1)];
    put(&mut client, "numbers", first).await;
    put(&mut client, "numbers", [with("b", 9)]).await;
    let jobs = get(&mut client, "numbers", 10).await;
    assert_eq!(texts(&jobs), ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_delayed_job_is_not_ready_before_its_time() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let later = |payload: &str, delay| {
        job(payload).with(JobOptions {
            start: Some(Start::Delay(millis(delay).unwrap())),
            ..JobOptions::default()
        })
    };
    let jobs = [later("an hour", 3_600_000), later("soon", 50)];
    put(&mut client, "numbers", jobs).await;
    let stats = stats(&harness, "numbers").await;
    assert_eq!(stats.scheduled_count + stats.ready_count, 2);
    assert_eq!(texts(&[next(&mut client, "numbers").await]), ["soon"]);
    assert_eq!(get(&mut client, "numbers", 10).await, []);
}

#[tokio::test]
async fn a_put_with_a_bad_job_puts_nothing() {
    let harness = Harness::start().await;
    let bad = job("bad").with(JobOptions {
        priority: 5000,
        ..JobOptions::default()
    });
    let refused = harness
        .queue()
        .put(put_of("numbers", [job("good"), bad]))
        .await
        .unwrap_err();
    assert_eq!(field(&refused), "jobs[1].priority");
    let missing = GetQueueRequest {
        queue: "numbers".to_owned(),
    };
    let missing = harness.admin().get_queue(missing).await.unwrap_err();
    assert_eq!(
        refusal(&missing),
        (Code::NotFound, "QUEUE_NOT_FOUND".to_owned())
    );
}

#[tokio::test]
async fn the_same_request_id_adds_nothing_and_answers_the_same() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let request = PutRequest {
        request_id: "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11".to_owned(),
        ..put_of("numbers", [job("1"), job("2")])
    };
    let first = client.put(request.clone()).await.unwrap().into_inner();
    let again = client.put(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.job_ids, again.job_ids);
    assert!(!first.deduplicated && again.deduplicated);
    assert_eq!(stats(&harness, "numbers").await.ready_count, 2);

    let other = PutRequest {
        jobs: vec![job("1"), job("2"), job("3")],
        ..request
    };
    let reused = client.put(other).await.unwrap_err();
    assert_eq!(
        refusal(&reused),
        (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
    );
    assert_eq!(stats(&harness, "numbers").await.ready_count, 2);
}

fn reused() -> (Code, String) {
    (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
}

/// As many jobs of the same sizes are not the same jobs.
#[tokio::test]
async fn a_request_id_with_other_bodies_is_refused_also_after_a_restart() {
    let mut harness = Harness::start().await;
    let request = |jobs: [NewJob; 2]| PutRequest {
        request_id: "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11".to_owned(),
        ..put_of("numbers", jobs)
    };
    let delayed = |payload: &str| {
        job(payload).with(JobOptions {
            headers: [("k".to_owned(), "v".to_owned())].into(),
            start: Some(Start::Delay(millis(3_600_000).unwrap())),
            ..JobOptions::default()
        })
    };
    let same = || request([job("a"), delayed("b")]);
    harness.queue().put(same()).await.unwrap();
    let mut changed = delayed("b");
    changed.options.as_mut().unwrap().priority = 1;
    let others = [
        request([job("b"), delayed("a")]),
        request([job("a"), delayed("c")]),
        request([job("a"), changed]),
    ];
    for _ in 0..2 {
        let mut client = harness.queue();
        for other in &others {
            let refused = client.put(other.clone()).await.unwrap_err();
            assert_eq!(refusal(&refused), reused());
        }
        assert!(client.put(same()).await.unwrap().into_inner().deduplicated);
        let stats = stats(&harness, "numbers").await;
        assert_eq!((stats.ready_count, stats.scheduled_count), (1, 1));
        harness.restart().await;
    }
}

/// An id that was used on another queue, known or guessed, changes nothing and tells nothing.
#[tokio::test]
async fn each_queue_has_its_own_request_ids() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    for (queue, payload) in [("theirs", "a"), ("ours", "bb")] {
        for again in [false, true] {
            let request = PutRequest {
                request_id: "2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a11".to_owned(),
                ..put_of(queue, [job(payload)])
            };
            let answer = client.put(request).await.unwrap().into_inner();
            assert_eq!(answer.deduplicated, again, "{queue}");
        }
        assert_eq!(stats(&harness, queue).await.ready_count, 1);
    }
}

/// Room for four ids: the oldest goes, the others are remembered as long as ever.
#[tokio::test]
async fn more_request_ids_than_there_is_room_for_push_out_the_oldest() {
    let harness = Harness::with(|config| config.limits.request_id_bytes_max = 1 << 10).await;
    let mut client = harness.queue();
    let request = |n: u32| PutRequest {
        request_id: format!("2f1c7f6e-9b1d-4c53-a1f0-5b0f6d3c8a1{n}"),
        ..put_of("numbers", [job("a")])
    };
    for n in 1..6 {
        client.put(request(n)).await.unwrap();
    }
    for (n, known) in [(2, true), (5, true), (1, false)] {
        let answer = client.put(request(n)).await.unwrap().into_inner();
        assert_eq!(answer.deduplicated, known, "{n}");
    }
}

#[tokio::test]
async fn queues_do_not_appear_by_themselves_if_the_server_says_so() {
    let harness = Harness::with(|config| config.auto_create_queues = false).await;
    let refused = harness.queue().put(put_of("numbers", [job("1")])).await;
    assert_eq!(
        refusal(&refused.unwrap_err()),
        (Code::NotFound, "QUEUE_NOT_FOUND".to_owned())
    );
}
