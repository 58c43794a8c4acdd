//! What a master learns of its jobs.

mod support;

use std::time::Duration;

use leaseq_client::{Client, JobState, Master, NewJob, WaitUntil};
use support::{TestServer, stats, through};

const LONG: Duration = Duration::from_secs(600);

/// Puts jobs and settles them: completed, rejected, completed, ...
async fn settled(client: &Client, count: usize) {
    let jobs = (0..count).map(|n| NewJob::new(n.to_string()).reply_to("results"));
    client.put_batch("jobs", jobs.collect()).await.unwrap();
    let jobs = client.get("jobs").max_jobs(1000).await.unwrap();
    let verdicts = jobs.iter().enumerate().map(|(n, job)| {
        if n % 2 == 0 {
            job.complete(job.payload().clone())
        } else {
            job.reject("odd")
        }
    });
    for status in client.settle(verdicts.collect()).await.unwrap() {
        status.unwrap();
    }
}

#[tokio::test]
async fn results_tell_which_job_ended_and_how() {
    let server = TestServer::start().await;
    let client = server.client();
    settled(&client, 2).await;
    let mut results = Master::new(&client).results("results");
    let first = results.next().await.unwrap();
    assert_eq!(
        (first.outcome.state, first.outcome.queue.as_str()),
        (JobState::Completed, "jobs")
    );
    assert_eq!(first.result, "0");
    let second = results.next().await.unwrap();
    let outcome = second.into_result().unwrap_err();
    assert_eq!(
        (outcome.state, outcome.error.as_deref()),
        (JobState::Dead, Some("odd"))
    );
    assert_ne!(outcome.job_id, first.outcome.job_id);
    results.done().await.unwrap();
    let stats = stats(&client, "results").await;
    assert_eq!((stats.ready, stats.leased), (0, 0));
}

#[tokio::test]
async fn a_result_that_was_not_dealt_with_comes_again() {
    let server = TestServer::start().await;
    let client = server.client();
    settled(&client, 5).await;
    let master = Master::new(&client);
    let mut results = master.results("results");
    results.next().await.unwrap();
    let second = results.next().await.unwrap();
    // As when the master dies: the first was settled when the second was taken.
    drop(results);
    let mut again = master.results("results");
    assert_eq!(again.next().await.unwrap(), second);
    for _ in 2..5 {
        again.next().await.unwrap();
    }
    assert_eq!(again.next_within(Duration::ZERO).await.unwrap(), None);
    again.done().await.unwrap();
}

#[tokio::test]
async fn jobs_put_by_hand_come_as_completed_ones() {
    let server = TestServer::start().await;
    let client = server.client();
    let id = client.put("results", "2 * 2 = 4").await.unwrap();
    let mut results = Master::new(&client).results("results");
    let finished = results.next().await.unwrap();
    assert_eq!(
        (
            finished.outcome.job_id.clone(),
            finished.outcome.queue.as_str()
        ),
        (id, "results")
    );
    assert_eq!(finished.into_result().unwrap(), "2 * 2 = 4");
    results.done().await.unwrap();
}

#[tokio::test]
async fn results_are_collected_over_broken_connections() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    proxy.cut_after(20_000);
    settled(&server.client(), 600).await;
    let mut results = Master::new(&through(&proxy)).results("results");
    let mut ids = std::collections::HashSet::new();
    while ids.len() < 600 {
        ids.insert(results.next().await.unwrap().outcome.job_id);
    }
    results.done().await.unwrap();
    assert!(
        proxy.connections() > 2,
        "{} connections",
        proxy.connections()
    );
    let stats = stats(&server.client(), "results").await;
    assert_eq!((stats.ready, stats.leased), (0, 0));
}

#[tokio::test]
async fn waiting_for_a_job_and_for_a_queue() {
    let server = TestServer::start().await;
    let client = server.client();
    let master = Master::new(&client);
    let id = master.put("jobs", "x").await.unwrap();
    assert_eq!(
        master.wait_for_within(&id, Duration::ZERO).await.unwrap(),
        None
    );
    let waited = client
        .wait_queue("jobs", WaitUntil::Empty, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!((waited.done, waited.ready), (false, 1));
    let (finished, joined, ()) = tokio::join!(master.wait_for(&id), master.join("jobs"), async {
        let job = client.get_one("jobs", LONG).await.unwrap().unwrap();
        client.settle_one(job.complete("done")).await.unwrap();
    });
    assert_eq!(finished.unwrap().into_result().unwrap(), "done");
    joined.unwrap();
}
