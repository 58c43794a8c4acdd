//! A Get leases, waits as long as it said, and loses nothing if its caller goes away.

use std::time::{Duration, Instant};

use leaseq_proto::v1::{ExtendRequest, GetJobRequest, GetRequest, JobOptions, JobState};
use tonic::{Code, Request};

use crate::support::*;

/// Long enough that a twentieth of it is time for an answer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn nothing_there_is_ok_and_an_empty_list() {
    let harness = Harness::start().await;
    let answer = harness.queue().get(get_of("numbers", 1)).await;
    let answer = answer.unwrap().into_inner();
    assert!(answer.jobs.is_empty());
    assert_eq!(answer.expire_time, None);
}

#[tokio::test]
async fn a_waiting_get_gets_the_job_that_comes() {
    let harness = Harness::start().await;
    let mut waiting = harness.other().await;
    let waiting = tokio::spawn(async move { next(&mut waiting, "numbers").await });
    put(&mut harness.queue(), "numbers", [job("7872")]).await;
    assert_eq!(texts(&[waiting.await.unwrap()]), ["7872"]);
}

#[tokio::test]
async fn a_get_without_wait_is_answered_shortly_before_its_deadline() {
    let harness = Harness::start().await;
    let mut request = Request::new(get_of("numbers", 1));
    request.set_timeout(DEADLINE);
    let started = Instant::now();
    let answer = harness
        .queue()
        .get(request)
        .await
        .expect("no DEADLINE_EXCEEDED");
    assert!(answer.into_inner().jobs.is_empty());
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(800),
        "it waited only {took:?}"
    );
}

#[tokio::test]
async fn a_wait_longer_than_the_deadline_ends_before_the_deadline() {
    let harness = Harness::start().await;
    let mut request = Request::new(GetRequest {
        wait: wire(LONG),
        ..get_of("numbers", 1)
    });
    request.set_timeout(DEADLINE);
    let answer = harness
        .queue()
        .get(request)
        .await
        .expect("no DEADLINE_EXCEEDED");
    assert!(answer.into_inner().jobs.is_empty());
}

/// The origin's flaw: a worker killed in `get()` swallowed the next job.
#[tokio::test]
async fn a_get_whose_caller_went_away_swallows_no_job() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    create(&harness, "numbers").await;
    let mut gone = harness.other().await;
    let waiting = tokio::spawn(async move { next(&mut gone, "numbers").await });
    waiting_count(&harness, 1).await;
    waiting.abort();
    waiting_count(&harness, 0).await;
    put(&mut client, "numbers", [job("1")]).await;
    let jobs = get(&mut client, "numbers", 1).await;
    assert_eq!((texts(&jobs), jobs[0].attempt), (vec!["1"], 1));
}

/// Whatever the moment: before the server knows of the Get, while it waits, in the middle of the
/// answer, or when the answer is on its way and only the end of the lease can tell.
#[tokio::test]
async fn no_moment_to_go_away_loses_a_job() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    create(&harness, "numbers").await;
    for round in 0..20 {
        let mut gone = harness.other().await;
        let waiting = tokio::spawn(async move {
            let request = GetRequest {
                wait: wire(LONG),
                lease_duration: millis(100),
                ..get_of("numbers", 1)
            };
            gone.get(request).await
        });
        if round % 2 == 0 {
            waiting_count(&harness, 1).await;
        }
        let ids = put(&mut client, "numbers", [job(round.to_string())]).await;
        waiting.abort();
        // Its connection is closed when it is over.
        drop(waiting.await);
        let job = next(&mut client, "numbers").await;
        assert_eq!(job.id, ids[0]);
        settle_one(&mut client, &job, complete("")).await;
    }
}

async fn create(harness: &Harness, name: &str) {
    let name = name.to_owned();
    let queue = Some(leaseq_proto::v1::Queue {
        name,
        ..leaseq_proto::v1::Queue::default()
    });
    let request = leaseq_proto::v1::CreateQueueRequest { queue };
    harness.admin().create_queue(request).await.unwrap();
}

/// Waits until so many wait for a job of the queue `numbers`.
async fn waiting_count(harness: &Harness, count: u64) {
    let mut admin = harness.admin();
    loop {
        let queue = "numbers".to_owned();
        let request = leaseq_proto::v1::GetQueueRequest { queue };
        let answer = admin.get_queue(request).await.unwrap().into_inner();
        if answer.queue.unwrap().stats.unwrap().waiting_count == count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_lease_of_a_get_expires_and_the_job_comes_back() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let request = GetRequest {
        lease_duration: millis(100),
        ..get_of("numbers", 1)
    };
    let first = client.get(request).await.unwrap().into_inner();
    assert!(first.expire_time.is_some());
    let first = first.leased_jobs().expect("jobs").remove(0);
    let second = next(&mut client, "numbers").await;
    assert_eq!((second.attempt, &second.id), (1, &first.id), "not counted");
    assert!(second.fencing_number > first.fencing_number);
    assert_ne!(second.lease_token, first.lease_token);
}

/// A job that may run once, and answers that nobody reads: three are forgiven, and the fourth is
/// the end of a job that may be killing its workers.
#[tokio::test]
async fn a_job_whose_answers_were_never_read_is_there_for_the_next_worker() {
    let mut harness = Harness::start().await;
    let once = job("1").with(JobOptions {
        max_attempts: 1,
        reply_to: "ends".to_owned(),
        ..JobOptions::default()
    });
    put(&mut harness.queue(), "numbers", [once]).await;
    for round in 0..4 {
        let request = GetRequest {
            lease_duration: millis(100),
            wait: wire(LONG),
            ..get_of("numbers", 1)
        };
        let answer = harness.queue().get(request).await.unwrap().into_inner();
        assert_eq!(answer.leased_jobs().expect("jobs")[0].attempt, 1);
        if round == 1 {
            harness.restart().await;
        }
    }
    let end = next(&mut harness.queue(), "ends").await.outcome.unwrap();
    assert_eq!((end.attempts, &*end.error), (1, "the lease expired"));
}

#[tokio::test]
async fn a_worker_that_extended_its_lease_has_had_its_attempt() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1")]).await;
    let request = GetRequest {
        lease_duration: millis(100),
        ..get_of("numbers", 1)
    };
    let answer = client.get(request).await.unwrap().into_inner();
    let first = answer.leased_jobs().expect("jobs").remove(0);
    let request = ExtendRequest {
        lease_tokens: vec![first.lease_token],
        lease_duration: millis(100),
        ..ExtendRequest::default()
    };
    let extended = client.extend(request).await.unwrap().into_inner();
    let attempt = next(&mut client, "numbers").await.attempt;
    // On a machine that stood still the lease was over before it was extended.
    let in_time = extended.results[0].expire_time.is_some();
    assert_eq!(attempt, if in_time { 2 } else { 1 });
}

#[tokio::test]
async fn auto_complete_hands_out_for_good() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    put(&mut client, "numbers", [job("1"), job("2")]).await;
    let request = GetRequest {
        auto_complete: true,
        lease_duration: millis(100),
        ..get_of("numbers", 1)
    };
    let answer = client.get(request).await.unwrap().into_inner();
    assert_eq!(texts(&answer.leased_jobs().expect("jobs")), ["1"]);
    let rest = next(&mut client, "numbers").await;
    assert_eq!(texts(std::slice::from_ref(&rest)), ["2"]);
    let reasons = settle(&mut client, [(rest.lease_token, complete(""))]).await;
    assert_eq!(reasons, [""]);
}

#[tokio::test]
async fn auto_complete_hands_out_many_small_jobs_and_no_more_large_ones_than_fit() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let all = |queue: &str| GetRequest {
        auto_complete: true,
        ..get_of(queue, 300)
    };
    put(&mut client, "small", (0..300).map(|n| job(n.to_string()))).await;
    let small = client.get(all("small")).await.unwrap().into_inner();
    assert_eq!(small.jobs.len(), 300);
    let mebibyte = "x".repeat(1 << 20);
    for _ in 0..5 {
        put(&mut client, "large", [job(&mebibyte)]).await;
    }
    let mut large = 0;
    while large < 5 {
        let some = client
            .get(all("large"))
            .await
            .expect("it fits")
            .into_inner();
        assert!(!some.jobs.is_empty(), "none is lost");
        large += some.jobs.len();
    }
}

/// Clients take 4 MiB by default: what does not fit stays where it was, uncounted.
#[tokio::test]
async fn an_answer_is_never_larger_than_clients_take() {
    let harness = Harness::start().await;
    let mut client = harness.queue();
    let mebibyte = "x".repeat(1 << 20);
    for _ in 0..3 {
        put(&mut client, "large", [job(&mebibyte), job(&mebibyte)]).await;
    }
    let mut jobs = Vec::new();
    while jobs.len() < 6 {
        let request = GetRequest {
            wait: wire(LONG),
            ..get_of("large", 100)
        };
        let some = client
            .get(request)
            .await
            .expect("it fits")
            .into_inner()
            .leased_jobs()
            .expect("jobs");
        assert!(!some.is_empty());
        jobs.extend(some);
    }
    assert!(jobs.iter().all(|job| job.attempt == 1));
    assert!(
        jobs.windows(2).all(|pair| pair[0].id < pair[1].id),
        "in put order"
    );
}

#[tokio::test]
async fn a_job_whose_worker_cannot_read_it_dies_with_a_reason() {
    let harness = Harness::start().await;
    let mut large = job("x".repeat(100_000));
    large.options_mut().max_attempts = 1;
    let answer = harness.queue().put(put_of("large", [large])).await.unwrap();
    let job_id = answer
        .into_inner()
        .job_ids
        .iter()
        .next()
        .unwrap()
        .to_owned();
    // Takes less than the answer has: for the server the job was delivered.
    let mut worker = harness.queue().max_decoding_message_size(10_000);
    let request = GetRequest {
        lease_duration: millis(100),
        ..get_of("large", 1)
    };
    let unreadable = worker.get(request.clone()).await.unwrap_err();
    assert_eq!(unreadable.code(), Code::OutOfRange, "{unreadable}");
    let ended = loop {
        // The first answers that no worker acted on are not charged, so it asks again.
        let _unreadable_or_empty = worker.get(request.clone()).await;
        let request = GetJobRequest {
            job_id: job_id.clone(),
            ..GetJobRequest::default()
        };
        let answer = harness.admin().get_job(request).await.unwrap();
        let job = answer.into_inner().job.unwrap();
        if job.state() == JobState::Dead {
            break job;
        }
    };
    assert_eq!(ended.last_error, "the lease expired");
}
