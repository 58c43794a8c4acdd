//! Operators see jobs where they are, purge them and bring dead ones back.

use leaseq_proto::v1::{
    GetJobRequest, Job, JobOptions, JobState, JobView, ListJobsRequest, PurgeJobsRequest,
    RedriveJobsRequest,
};
use tonic::Code;

use crate::support::*;

async fn list(admin: &mut Admin, state: JobState, page_size: i32) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListJobsRequest {
            queue: "numbers".to_owned(),
            state: state.into(),
            page_size,
            page_token,
        };
        let page = admin.list_jobs(request).await.unwrap().into_inner();
        jobs.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return jobs;
        }
    }
}

#[tokio::test]
async fn jobs_are_listed_in_put_order_a_page_at_a_time() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let jobs = (0..25).map(|n| {
        job(n.to_string()).with(JobOptions {
            priority: n % 3,
            ..JobOptions::default()
        })
    });
    let ids = put(&mut client, "numbers", jobs).await;
    let leased = get(&mut client, "numbers", 5).await;
    let mut admin = harness.admin();
    let all = list(&mut admin, JobState::Unspecified, 7).await;
    let seen: Vec<_> = all.iter().map(|job| job.id.clone()).collect();
    assert_eq!(seen, ids);
    assert!(
        all.iter().all(|job| job.payload.is_empty()),
        "the basic view"
    );
    let held = list(&mut admin, JobState::Leased, 2).await;
    assert_eq!(held.len(), 5);
    assert!(held.iter().all(|job| leased.iter().any(|l| l.id == job.id)));
    assert_eq!(list(&mut admin, JobState::Dead, 7).await, []);
}

#[tokio::test]
async fn the_full_view_shows_what_a_job_carries() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let new = job("7872").with(JobOptions {
        headers: [("k".to_owned(), "v".to_owned())].into(),
        ..JobOptions::default()
    });
    let ids = put(&mut client, "numbers", [new]).await;
    let leased = next(&mut client, "numbers").await;
    let look = |view: JobView| GetJobRequest {
        job_id: leased.id.clone(),
        view: view.into(),
    };
    let mut admin = harness.admin();
    let answer = admin.get_job(look(JobView::Basic)).await.unwrap();
    let basic = answer.into_inner().job.unwrap();
    assert_eq!((basic.state(), basic.attempts), (JobState::Leased, 1));
    assert!(basic.payload.is_empty() && basic.expire_time.is_some());
    let answer = admin.get_job(look(JobView::Full)).await.unwrap();
    let full = answer.into_inner().job.unwrap();
    assert_eq!((&*full.id, &full.payload[..]), (&*ids[0], &b"7872"[..]));
    assert_eq!(full.headers["k"], "v");
    assert!(full.size_bytes >= 4);

    let gone = GetJobRequest {
        job_id: "0192e7a2-6f3c-7000-8000-000000040001".to_owned(),
        view: 0,
    };
    let gone = admin.get_job(gone).await.unwrap_err();
    assert_eq!(refusal(&gone), (Code::NotFound, "JOB_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn a_purge_counts_before_it_purges() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    for _ in 0..3 {
        put(&mut client, "numbers", (0..800).map(|n| job(n.to_string()))).await;
    }
    let leased = next(&mut client, "numbers").await;
    let purge = |force| PurgeJobsRequest {
        queue: "numbers".to_owned(),
        state: 0,
        force,
    };
    let mut admin = harness.admin();
    for (force, count) in [(false, 2399), (false, 2399), (true, 2399), (true, 0)] {
        let answer = admin.purge_jobs(purge(force)).await.unwrap().into_inner();
        assert_eq!(answer.job_count, count, "force: {force}");
    }
    settle_one(&mut client, &leased, complete("")).await;
}

#[tokio::test]
async fn dead_jobs_come_back_with_fresh_attempts() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", ["1", "2", "3"].map(job)).await;
    let leased = get(&mut client, "numbers", 3).await;
    let entries = leased
        .into_iter()
        .map(|job| (job.lease_token, reject("bad")));
    settle(&mut client, entries.collect::<Vec<_>>()).await;
    let redrive = |max_jobs, force| RedriveJobsRequest {
        queue: "numbers".to_owned(),
        max_jobs,
        force,
    };
    let mut admin = harness.admin();
    for (max_jobs, force, count) in [(0, false, 3), (2, false, 2), (2, true, 2)] {
        let answer = admin.redrive_jobs(redrive(max_jobs, force)).await.unwrap();
        assert_eq!(answer.into_inner().job_count, count);
    }
    let jobs = get(&mut client, "numbers", 10).await;
    assert_eq!(texts(&jobs), ["1", "2"], "the oldest first");
    assert!(jobs.iter().all(|job| job.attempt == 1));
    assert_eq!(list(&mut admin, JobState::Dead, 10).await.len(), 1);
}
