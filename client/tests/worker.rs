//! A worker: what becomes of jobs whose handlers succeed, fail, panic, are cut off or cancelled.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leaseq_client::{
    Client, Error, Finished, Job, JobError, JobState, Master, NewJob, RetryPolicy, Worker,
};
use support::{TestServer, builder, stats, through};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Longer than any of these tests may take.
const LONG: Duration = Duration::from_secs(600);

/// A job that can be read after it has ended, and is tried again at once.
fn job(payload: &str) -> NewJob {
    let at_once = RetryPolicy {
        initial_delay: Some(Duration::ZERO),
        ..RetryPolicy::default()
    };
    NewJob::new(payload.to_owned())
        .result_retention(LONG)
        .retry(at_once)
}

/// A worker in the background, and what stops it.
struct Running {
    stop: oneshot::Sender<()>,
    worker: JoinHandle<leaseq_client::Result<()>>,
}

impl Running {
    fn start<F, R, E>(worker: Worker, handler: impl Fn(Job) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: leaseq_client::IntoResult,
        E: Into<JobError> + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        Self {
            stop,
            worker: tokio::spawn(worker.run_until(handler, shutdown)),
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.worker.await.unwrap().unwrap();
    }
}

async fn run_one<F, R, E>(
    job: NewJob,
    handler: impl Fn(Job) -> F + Send + Sync + 'static,
) -> Finished
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: leaseq_client::IntoResult,
    E: Into<JobError> + 'static,
{
    let server = TestServer::start().await;
    let client = server.client();
    let master = Master::new(&client);
    let id = master.put("jobs", job).await.unwrap();
    let running = Running::start(Worker::new(&client, "jobs"), handler);
    let finished = master.wait_for(&id).await.unwrap();
    running.stop().await;
    finished
}

#[tokio::test]
async fn a_handler_s_result_is_the_job_s() {
    let finished = run_one(job("6"), |job: Job| async move {
        let n: u32 = job.text()?.parse()?;
        Ok::<_, JobError>(format!("{n} * {n} = {}", n * n))
    });
    assert_eq!(finished.await.into_result().unwrap(), "6 * 6 = 36");
}

#[tokio::test]
async fn a_failure_and_a_panic_are_tried_again() {
    let finished = run_one(job("x"), |job: Job| async move {
        match job.attempt() {
            1 => Err("no luck"),
            2 => panic!("a bug in the handler"),
            _ => Ok(format!("attempt {}", job.attempt())),
        }
    });
    assert_eq!(finished.await.into_result().unwrap(), "attempt 3");
}

#[tokio::test]
async fn the_last_attempt_s_error_is_kept() {
    let panics = |_: Job| async {
        if true {
            panic!("out of cheese")
        } else {
            Ok::<(), JobError>(())
        }
    };
    let outcome = run_one(job("x").max_attempts(2), panics)
        .await
        .into_result()
        .unwrap_err();
    assert_eq!((outcome.state, outcome.attempts), (JobState::Dead, 2));
    assert!(outcome.error.unwrap().contains("out of cheese"));
}

#[tokio::test]
async fn a_rejected_job_is_dead_at_once() {
    let rejects = |_: Job| async { Err::<(), _>(JobError::reject("not a number")) };
    let outcome = run_one(job("x"), rejects).await.outcome;
    assert_eq!((outcome.state, outcome.attempts), (JobState::Dead, 1));
    assert_eq!(outcome.error.as_deref(), Some("not a number"));
}

#[tokio::test]
async fn a_released_job_comes_back_uncounted() {
    let releases = AtomicUsize::new(0);
    let finished = run_one(job("x"), move |job: Job| {
        let first = releases.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if first {
                Err(JobError::release())
            } else {
                Ok(job.attempt().to_string())
            }
        }
    });
    assert_eq!(finished.await.into_result().unwrap(), "1");
}

/// A worker whose handlers tell when they begin, and end when they are told to.
struct Held {
    began: mpsc::Receiver<u32>,
    go_on: Arc<Notify>,
    running: Running,
}

impl Held {
    fn start(worker: Worker) -> Self {
        let (begin, began) = mpsc::channel(100);
        let go_on = Arc::new(Notify::new());
        let gate = Arc::clone(&go_on);
        let running = Running::start(worker, move |job: Job| {
            let (begin, gate) = (begin.clone(), Arc::clone(&gate));
            async move {
                begin.send(job.attempt()).await.unwrap();
                tokio::select! {
                    () = gate.notified() => Ok("finished"),
                    () = job.cancelled() => Err("cancelled"),
                }
            }
        });
        Self {
            began,
            go_on,
            running,
        }
    }
}

#[tokio::test]
async fn a_worker_that_comes_back_keeps_its_lease() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let master = Master::new(&server.client());
    let id = master.put("jobs", job("x")).await.unwrap();
    let mut held = Held::start(Worker::new(&through(&proxy), "jobs").grace(LONG));
    assert_eq!(held.began.recv().await, Some(1));

    for connections in 2..5 {
        proxy.cut();
        proxy.reached(connections).await;
    }
    held.go_on.notify_one();
    let finished = master.wait_for(&id).await.unwrap();
    assert_eq!(finished.outcome.attempts, 1);
    assert_eq!(finished.into_result().unwrap(), "finished");
    assert!(held.began.try_recv().is_err(), "it was delivered once");
    held.running.stop().await;
}

#[tokio::test]
async fn verdicts_survive_broken_connections() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    proxy.cut_after(20_000);
    let master = Master::new(&server.client());
    let jobs = (0..1000).map(|n| NewJob::new(n.to_string()).reply_to("results"));
    master.put_all("jobs", jobs).await.unwrap();
    let worker = Worker::new(&through(&proxy), "jobs").concurrency(20);
    let running = Running::start(worker, move |job: Job| async move {
        Ok::<_, JobError>(job.payload().clone())
    });
    let mut results = master.results("results");
    let mut numbers: Vec<u32> = Vec::new();
    for _ in 0..1000 {
        let result = results.next().await.unwrap().into_result().unwrap();
        numbers.push(std::str::from_utf8(&result).unwrap().parse().unwrap());
    }
    results.done().await.unwrap();
    running.stop().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert!(
        proxy.connections() > 2,
        "{} connections",
        proxy.connections()
    );
    let stats = stats(&server.client(), "results").await;
    assert_eq!((stats.ready, stats.leased), (0, 0));
}

#[tokio::test]
async fn a_job_that_was_given_to_another_is_cancelled_here() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let client = server.client();
    let master = Master::new(&client);
    let id = master.put("jobs", job("x")).await.unwrap();
    let (gone, mut cancelled) = mpsc::channel(1);
    let worker = Worker::new(&through(&proxy), "jobs").grace(Duration::ZERO);
    let (begin, mut began) = mpsc::channel(1);
    let first = Running::start(worker, move |job: Job| {
        let (begin, gone) = (begin.clone(), gone.clone());
        async move {
            begin.send(()).await.unwrap();
            job.cancelled().await;
            gone.send(()).await.unwrap();
            Ok::<_, JobError>("by the first")
        }
    });
    began.recv().await.unwrap();

    proxy.set_open(false);
    proxy.cut();
    let second = client.get_one("jobs", LONG).await.unwrap().unwrap();
    proxy.set_open(true);
    cancelled.recv().await.unwrap();
    client
        .settle_one(second.complete("by the second"))
        .await
        .unwrap();
    let finished = master.wait_for(&id).await.unwrap();
    assert_eq!(finished.into_result().unwrap(), "by the second");
    first.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_s_handler_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    let master = Master::new(&client);
    let id = master.put("jobs", job("x")).await.unwrap();
    let mut held = Held::start(Worker::new(&client, "jobs"));
    held.began.recv().await.unwrap();
    assert_eq!(
        client.cancel_job(&id, "not needed").await.unwrap(),
        JobState::Leased
    );
    let finished = master.wait_for(&id).await.unwrap();
    assert_eq!(finished.outcome.state, JobState::Cancelled);
    held.running.stop().await;
}

#[tokio::test]
async fn a_shutdown_finishes_what_runs_and_takes_nothing_more() {
    let server = TestServer::start().await;
    let client = server.client();
    let master = Master::new(&client);
    master
        .put_all("jobs", [job("1"), job("2"), job("3")])
        .await
        .unwrap();
    let mut held = Held::start(Worker::new(&client, "jobs"));
    held.began.recv().await.unwrap();
    let stopping = tokio::spawn(held.running.stop());
    held.go_on.notify_one();
    stopping.await.unwrap();
    let stats = stats(&client, "jobs").await;
    assert_eq!((stats.completed, stats.ready + stats.leased), (1, 2));
    // One may have been on its way when the shutdown was asked: it was given back uncounted.
    let next = client.get_one("jobs", LONG).await.unwrap().unwrap();
    assert_eq!((next.text().unwrap(), next.attempt()), ("2", 1));
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_given_back_uncounted() {
    let server = TestServer::start().await;
    let client = server.client();
    Master::new(&client).put("jobs", job("x")).await.unwrap();
    let worker = Worker::new(&client, "jobs").shutdown_timeout(Duration::ZERO);
    let (begin, mut began) = mpsc::channel(1);
    let running = Running::start(worker, move |_: Job| {
        let begin = begin.clone();
        async move {
            begin.send(()).await.unwrap();
            std::future::pending::<Result<(), JobError>>().await
        }
    });
    began.recv().await.unwrap();
    running.stop().await;
    let again = client.get_one("jobs", LONG).await.unwrap().unwrap();
    assert_eq!(again.attempt(), 1);
}

#[tokio::test]
async fn never_more_run_than_asked_for_and_all_places_are_used() {
    let server = TestServer::start().await;
    let client = server.client();
    let master = Master::new(&client);
    let jobs = (0..12).map(|n| job(&n.to_string()));
    master.put_all("jobs", jobs).await.unwrap();
    let mut held = Held::start(Worker::new(&client, "jobs").concurrency(3).lease_ahead(5));
    for _ in 0..3 {
        held.began.recv().await.unwrap();
    }
    let stats = stats(&client, "jobs").await;
    assert!(stats.leased >= 3 && stats.leased <= 8, "{stats:?}");
    assert!(held.began.try_recv().is_err());
    for _ in 3..12 {
        held.go_on.notify_one();
        held.began.recv().await.unwrap();
        assert!(held.began.try_recv().is_err(), "one ended, one began");
    }
    (0..3).for_each(|_| held.go_on.notify_one());
    held.running.stop.send(()).ok();
    // notify_one keeps one permit only: the rest is told again until all are done.
    let mut worker = held.running.worker;
    loop {
        held.go_on.notify_waiters();
        match tokio::time::timeout(Duration::from_millis(10), &mut worker).await {
            Ok(ended) => break ended.unwrap().unwrap(),
            Err(_) => continue,
        }
    }
}

#[tokio::test]
async fn progress_is_shown_to_operators() {
    let server = TestServer::start().await;
    let client = server.client();
    let id = Master::new(&client).put("jobs", job("x")).await.unwrap();
    let running = Running::start(
        Worker::new(&client, "jobs").name("painter"),
        |job: Job| async move {
            job.progress("half way");
            job.cancelled().await;
            Err::<(), _>("cancelled")
        },
    );
    let shown = loop {
        let info = client.get_job(&id).await.unwrap();
        if info.progress.is_some() {
            break info;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(shown.progress.as_deref(), Some("half way"));
    assert_eq!(shown.worker.as_deref(), Some("painter"));
    client.cancel_job(&id, "seen enough").await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_worker_with_a_wrong_key_ends_with_one_clear_error() {
    let server = TestServer::start().await;
    let client = builder(server.addr)
        .authkey("not-the-key-of-this-server")
        .build()
        .unwrap();
    let handler = |_: Job| async { Ok::<(), JobError>(()) };
    let error = Worker::new(&client, "jobs").run(handler).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
}

#[tokio::test]
async fn several_queues_and_headers() {
    let server = TestServer::start().await;
    let client: Client = server.client();
    let master = Master::new(&client);
    let a = master
        .put("a", job("x").header("from", "the master"))
        .await
        .unwrap();
    let b = master.put("b", job("y")).await.unwrap();
    let running = Running::start(
        Worker::new(&client, "a").queue("b"),
        |job: Job| async move {
            let from = job.header("from").unwrap_or("nobody");
            Ok::<_, JobError>(format!("{} {from}", job.queue()))
        },
    );
    assert_eq!(
        master.wait_for(&a).await.unwrap().into_result().unwrap(),
        "a the master"
    );
    assert_eq!(
        master.wait_for(&b).await.unwrap().into_result().unwrap(),
        "b nobody"
    );
    running.stop().await;
}
