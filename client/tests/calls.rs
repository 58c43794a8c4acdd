//! Every call, against a real server.

mod support;

use std::time::Duration;

use leaseq_client::{
    Error, JobState, LeaseToken, NewJob, PageRequest, QueueSettings, Settlement, Verdict,
};
use support::{TestServer, stats};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn put_get_and_settle() {
    let server = TestServer::start().await;
    let client = server.client();
    let id = client
        .put("jobs", NewJob::new("x").header("a", "b").priority(3))
        .await
        .unwrap();
    let leased = client
        .get("jobs")
        .wait(LONG)
        .lease_duration(LONG)
        .leased()
        .await
        .unwrap();
    let [job] = &leased.jobs[..] else {
        panic!("{leased:?}")
    };
    assert_eq!((job.id(), job.text().unwrap()), (id.as_str(), "x"));
    assert_eq!(
        (job.header("a"), job.priority(), job.attempt()),
        (Some("b"), 3, 1)
    );
    assert!(leased.expire_time.is_some() && job.put_time().is_some());
    let extended = client.extend(&[job.token()], Some(LONG)).await.unwrap();
    assert!(extended[0].as_ref().unwrap().expire_time >= leased.expire_time);

    client.settle_one(job.complete("done")).await.unwrap();
    // The same again is fine, another verdict is not.
    client.settle_one(job.complete("done")).await.unwrap();
    let other = client.settle_one(job.fail("no")).await.unwrap_err();
    assert!(matches!(other, Error::AlreadySettled { .. }), "{other:?}");
    assert!(client.get("jobs").await.unwrap().is_empty());
}

/// The answer has left the server and is on its way when the call is dropped.
#[tokio::test]
async fn jobs_that_arrive_for_a_dropped_get_are_released() {
    let server = TestServer::start().await;
    let (near, proxy) = (server.client(), server.proxy().await);
    let far = support::through(&proxy);
    let id = near.put("jobs", "x").await.unwrap();
    // The connection is there before its answers are held up.
    assert!(far.get("other").await.unwrap().is_empty());
    proxy.let_answers_through(false);
    let state = async |wanted: JobState| {
        loop {
            let job = near.get_job(&id).await.unwrap();
            if job.state == wanted {
                return job;
            }
            tokio::task::yield_now().await;
        }
    };
    let get = far.get("jobs").lease_duration(LONG).leased();
    tokio::select! {
        leased = get => panic!("an answer came through: {leased:?}"),
        _ = state(JobState::Leased) => {}
    }
    proxy.let_answers_through(true);
    let released = tokio::time::timeout(Duration::from_secs(60), state(JobState::Ready));
    let job = released.await.expect("the job is released");
    assert_eq!((job.attempts, job.release_count), (0, 1));
}

#[tokio::test]
async fn nothing_in_time_is_no_error() {
    let server = TestServer::start().await;
    let client = server.client();
    assert_eq!(client.get_one("jobs", Duration::ZERO).await.unwrap(), None);
    assert!(
        client
            .get("jobs")
            .wait(Duration::from_millis(20))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_get_that_waits_is_woken_by_a_put() {
    let server = TestServer::start().await;
    let client = server.client();
    let (job, id) = tokio::join!(
        client.get_one("jobs", LONG),
        client.put("jobs", "x").into_future()
    );
    assert_eq!(job.unwrap().unwrap().id(), id.unwrap().as_str());
}

#[tokio::test]
async fn the_same_request_id_adds_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    let id = Uuid::now_v7();
    let jobs = || vec![NewJob::new("1"), NewJob::new("2")];
    let first = client
        .put_batch("jobs", jobs())
        .request_id(id)
        .await
        .unwrap();
    let second = client
        .put_batch("jobs", jobs())
        .request_id(id)
        .await
        .unwrap();
    assert_eq!(first.job_ids, second.job_ids);
    assert_eq!((first.deduplicated, second.deduplicated), (false, true));
    assert_eq!(stats(&client, "jobs").await.ready, 2);
    let reused = client.put("jobs", "3").request_id(id).await.unwrap_err();
    assert!(
        matches!(reused, Error::RequestIdReused { .. }),
        "{reused:?}"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_or_is_waited_for() {
    let server = TestServer::start().await;
    let client = server.client();
    let settings = QueueSettings {
        max_jobs: Some(1),
        ..QueueSettings::default()
    };
    client.create_queue("small", settings).await.unwrap();
    client.put("small", "1").await.unwrap();
    let full = client.put("small", "2").await.unwrap_err();
    assert!(matches!(full, Error::QueueFull { .. }), "{full:?}");
    let (put, got) = tokio::join!(client.put("small", "2").wait(LONG).into_future(), async {
        client.get("small").auto_complete().await.unwrap()
    });
    put.unwrap();
    assert_eq!(got.len(), 1);
}

#[tokio::test]
async fn bad_input_is_named() {
    let server = TestServer::start().await;
    let client = server.client();
    let error = client
        .put("jobs", NewJob::new("x").priority(4000))
        .await
        .unwrap_err();
    let Error::InvalidArgument {
        field: Some(field), ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(field.contains("priority"), "{field}");
    let token: LeaseToken = "00ff".parse().unwrap();
    let garbage = client
        .settle_one(Settlement::new(token, Verdict::Release { delay: None }))
        .await;
    assert!(
        matches!(garbage, Err(Error::LeaseTokenInvalid { .. })),
        "{garbage:?}"
    );
    let missing = client.get_queue("no-such-queue").await.unwrap_err();
    assert!(
        matches!(missing, Error::QueueNotFound { .. }),
        "{missing:?}"
    );
    let huge = client.put("jobs", vec![0; 2 << 20]).await.unwrap_err();
    assert!(matches!(huge, Error::PayloadTooLarge { .. }), "{huge:?}");
}

#[tokio::test]
async fn queues_as_operators_see_them() {
    let server = TestServer::start().await;
    let client = server.client();
    let settings = QueueSettings {
        lease_duration: Some(Duration::from_secs(5)),
        max_attempts: Some(7),
        max_jobs: Some(100),
        ..QueueSettings::default()
    };
    let created = client.create_queue("a", settings.clone()).await.unwrap();
    assert_eq!(created.settings.lease_duration, settings.lease_duration);
    assert_eq!(created.settings.max_attempts, Some(7));
    let again = client.create_queue("a", settings).await.unwrap_err();
    assert!(matches!(again, Error::QueueExists { .. }), "{again:?}");

    // What is given is changed, also to nothing; the rest stays.
    let unbounded = QueueSettings {
        max_jobs: Some(0),
        ..QueueSettings::default()
    };
    let etag = Some(created.etag.as_str());
    let updated = client
        .update_queue("a", unbounded.clone(), etag)
        .await
        .unwrap();
    assert_eq!(
        (updated.settings.max_jobs, updated.settings.max_attempts),
        (Some(0), Some(7))
    );
    let stale = client.update_queue("a", unbounded, etag).await.unwrap_err();
    assert!(matches!(stale, Error::QueueChanged { .. }), "{stale:?}");

    client.put("b", "x").await.unwrap();
    let names: Vec<_> = client
        .all_queues()
        .await
        .unwrap()
        .into_iter()
        .map(|q| q.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    let page = client
        .list_queues(PageRequest {
            size: 1,
            ..PageRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(
        (page.entries[0].name.as_str(), page.next.is_some()),
        ("a", true)
    );

    assert!(client.pause_queue("b").await.unwrap().paused);
    assert!(client.get("b").await.unwrap().is_empty());
    assert!(!client.resume_queue("b").await.unwrap().paused);
    assert_eq!(client.get("b").await.unwrap().len(), 1);

    let holds = client.delete_queue("b", false).await.unwrap_err();
    assert!(matches!(holds, Error::QueueNotEmpty { .. }), "{holds:?}");
    assert_eq!(client.delete_queue("b", true).await.unwrap(), 1);
}

#[tokio::test]
async fn jobs_as_operators_see_them() {
    let server = TestServer::start().await;
    let client = server.client();
    let first = client
        .put("jobs", NewJob::new("1").max_attempts(1))
        .await
        .unwrap();
    client
        .put("jobs", NewJob::new("2").delay(LONG))
        .await
        .unwrap();
    let job = client
        .get("jobs")
        .worker("someone")
        .await
        .unwrap()
        .remove(0);
    let info = client.get_job(&first).await.unwrap();
    assert_eq!(
        (info.state, info.worker.as_deref()),
        (JobState::Leased, Some("someone"))
    );
    assert_eq!(client.get_job_full(&first).await.unwrap().payload, "1");

    client.settle_one(job.fail("no luck")).await.unwrap();
    let page = PageRequest::default();
    let dead = client
        .list_jobs("jobs", Some(JobState::Dead), page.clone())
        .await
        .unwrap();
    assert_eq!(dead.entries[0].last_error.as_deref(), Some("no luck"));
    assert_eq!(
        client
            .list_jobs("jobs", None, page)
            .await
            .unwrap()
            .entries
            .len(),
        2
    );

    assert_eq!(client.redrive_jobs("jobs", 0, false).await.unwrap(), 1);
    assert_eq!(stats(&client, "jobs").await.dead, 1, "it was only counted");
    assert_eq!(client.redrive_jobs("jobs", 0, true).await.unwrap(), 1);
    assert_eq!(client.purge_jobs("jobs", None, true).await.unwrap(), 2);
    let gone = client.get_job(&first).await.unwrap_err();
    assert!(matches!(gone, Error::JobNotFound { .. }), "{gone:?}");
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let server = TestServer::start().await;
    let info = server.client().server_info().await.unwrap();
    assert_eq!(info.store, "memory");
    assert!(info.limits.batch_jobs_max >= 1000 && info.start_time.is_some());
}

#[tokio::test]
async fn many_large_results_are_settled() {
    let server = TestServer::start().await;
    let client = server.client();
    let jobs = (0..30).map(|n| NewJob::new(n.to_string())).collect();
    client.put_batch("jobs", jobs).await.unwrap();
    let jobs = client.get("jobs").max_jobs(30).await.unwrap();
    let done = jobs
        .iter()
        .map(|job| job.complete(vec![7; 300_000]))
        .collect();
    let statuses = client.settle(done).await.unwrap();
    assert_eq!(statuses, vec![Ok(()); 30]);
}
