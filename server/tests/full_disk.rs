//! A worker whose verdict the server has no room for: it keeps its lease, and the result
//! arrives when there is room again.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use leaseq_client::{Client, Job, JobError, Master, NewJob, Worker};
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::Content;
use leaseq_server::Server;
use leaseq_store::{
    Batch, CommitError, Committed, Compaction, Epoch, Loaded, MemoryStore, Position, Report, Space,
    Store, StoreError,
};
use support::{config, page};
use tokio::sync::oneshot;

/// Says that the disk is full as long as a test wants.
struct Small {
    inner: MemoryStore,
    full: Arc<AtomicBool>,
}

impl Small {
    fn report(&self, report: Report) -> Report {
        let space = if self.full.load(Ordering::Relaxed) {
            Space::Reserve
        } else {
            Space::Enough
        };
        Report {
            space,
            room: 1 << 30,
            ..report
        }
    }
}

impl Store for Small {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        self.inner.load(replay)
    }

    fn commit(
        &mut self,
        epoch: Epoch,
        at: Position,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        let mut committed = self.inner.commit(epoch, at, batch)?;
        committed.report = self.report(committed.report);
        Ok(committed)
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        self.inner.contents(jobs)
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        Ok(match self.inner.compact()? {
            Compaction::Idle(report) => Compaction::Idle(self.report(report)),
            Compaction::Removed(report) => Compaction::Removed(self.report(report)),
            step @ (Compaction::RestateJobs(_)
            | Compaction::RestateLedger { .. }
            | Compaction::Damaged(_)) => step,
        })
    }
}

#[tokio::test]
async fn a_worker_sends_a_large_result_again_when_the_disk_has_room() {
    let full = Arc::new(AtomicBool::new(false));
    let store = Small {
        inner: MemoryStore::new(),
        full: Arc::clone(&full),
    };
    let mut config = config();
    config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let server = Server::new(config)
        .with_store(Box::new(store))
        .start()
        .await
        .unwrap();
    server.ready().await.unwrap();
    let client = Client::builder()
        .address(server.grpc_addr().to_string())
        .build()
        .unwrap();
    let master = Master::new(&client);
    let job = NewJob::new("7").result_retention(Duration::from_secs(600));
    let id = master.put("jobs", job).await.unwrap();
    full.store(true, Ordering::Relaxed);
    let admin = server.admin_addr().unwrap();
    let is_full = "leaseq_store_space{space=\"reserve\"} 1";
    while !page(admin, "/metrics", &[]).await.1.contains(is_full) {
        tokio::task::yield_now().await;
    }

    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = move |_: Job| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, JobError>("r".repeat(8 << 10)) }
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let worker = tokio::spawn(Worker::new(&client, "jobs").run_until(handler, shutdown));
    let refused = "leaseq_disk_full_refusals_total{what=\"results\"} 0";
    while page(admin, "/metrics", &[]).await.1.contains(refused) {
        tokio::task::yield_now().await;
    }
    full.store(false, Ordering::Relaxed);
    let result = master.wait_for(&id).await.unwrap().into_result().unwrap();
    assert_eq!(result.len(), 8 << 10, "nothing of it was dropped");
    assert_eq!(runs.load(Ordering::Relaxed), 1, "the job was not run again");
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
}
