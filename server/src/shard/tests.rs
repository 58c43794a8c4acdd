//! Behaviour of the shard over a store that a test can hold, fail and fill.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use leaseq_engine::command::{Command, Flow, Get, NewJob, OpenSession, Put};
use leaseq_engine::effect::{Grant, Reply};
use leaseq_engine::id::{JobSeq, QueueName, Scope};
use leaseq_engine::settings::EngineConfig;
use leaseq_engine::transition::{Content, Transition};
use leaseq_store::{
    Batch, CommitError, Committed, Compaction, Epoch, Loaded, Position, Report, Shortcomings,
    Space, Store, StoreError,
};

use super::*;
use crate::credit::Credit;

mod batches;
mod bounds;
mod full_disk;
mod time;

/// What a test says to the store and sees of it.
#[derive(Default)]
struct Script {
    state: Mutex<ScriptState>,
    changed: Condvar,
}

#[derive(Default)]
struct ScriptState {
    batches: Vec<Batch>,
    contents: HashMap<JobSeq, Content>,
    /// Commits wait while this is set.
    held: bool,
    /// Commits that have begun.
    begun: usize,
    failing: bool,
    space: Space,
}

impl Script {
    fn set(&self, change: impl FnOnce(&mut ScriptState)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until a commit is held back.
    fn wait_begun(&self, count: usize) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| state.begun < count)
                .unwrap(),
        );
    }

    fn begun(&self) -> usize {
        self.state.lock().unwrap().begun
    }
}

struct ScriptedStore(Arc<Script>);

impl Store for ScriptedStore {
    fn load(
        &mut self,
        replay: &mut dyn FnMut(Batch, bool) -> Result<(), String>,
    ) -> Result<Loaded, StoreError> {
        let state = self.0.state.lock().unwrap();
        for batch in &state.batches {
            replay(batch.clone(), false).unwrap();
        }
        let next = Position(state.batches.len() as u64);
        let last_time = state
            .batches
            .last()
            .map(|batch| batch.time)
            .unwrap_or_default();
        Ok(Loaded {
            epoch: Epoch(1),
            next,
            last_time,
            torn_bytes: 0,
            loss: None,
            shortcomings: Shortcomings::default(),
            report: Report::default(),
        })
    }

    fn commit(
        &mut self,
        _: Epoch,
        at: Position,
        mut batch: Batch,
    ) -> Result<Committed, CommitError> {
        let mut state = self.0.state.lock().unwrap();
        state.begun += 1;
        self.0.changed.notify_all();
        let mut state = self
            .0
            .changed
            .wait_while(state, |state| state.held)
            .unwrap();
        if state.failing {
            return Err(CommitError::Store(StoreError::Failed));
        }
        for transition in &mut batch.transitions {
            if let Transition::JobsAdded {
                first, contents, ..
            } = transition
            {
                for (n, content) in (0..).zip(std::mem::take(contents)) {
                    state.contents.insert(first.plus(n), content);
                }
            }
        }
        state.batches.push(batch);
        let report = Report {
            space: state.space,
            room: 1 << 30,
            ..Report::default()
        };
        let next = Position(at.0 + 1);
        Ok(Committed {
            next,
            bytes: 1,
            sync_time: Duration::ZERO,
            report,
        })
    }

    fn contents(&mut self, jobs: &[JobSeq]) -> Result<Vec<Content>, StoreError> {
        let state = self.0.state.lock().unwrap();
        Ok(jobs.iter().map(|job| state.contents[job].clone()).collect())
    }

    fn compact(&mut self) -> Result<Compaction, StoreError> {
        let space = self.0.state.lock().unwrap().space;
        Ok(Compaction::Idle(Report {
            space,
            room: 1 << 30,
            ..Report::default()
        }))
    }
}

async fn serving(script: &Arc<Script>) -> ShardHandle {
    serving_by(script, Clock::start()).await
}

async fn serving_by(script: &Arc<Script>, clock: Clock) -> ShardHandle {
    let store = Box::new(ScriptedStore(Arc::clone(script)));
    let options = ShardOptions::default();
    let shard = start(store, EngineConfig::default(), options, clock).unwrap();
    shard
        .watch()
        .wait_for(|condition| *condition == Condition::Serving)
        .await
        .unwrap();
    shard
}

fn queue() -> QueueName {
    QueueName::new("jobs").unwrap()
}

async fn put(shard: &ShardHandle, payload: &'static str) -> Result<Answer, Refusal> {
    let content = Content {
        payload: Bytes::from(payload),
        ..Content::default()
    };
    put_all(shard, vec![NewJob::plain(content)]).await
}

async fn put_all(shard: &ShardHandle, jobs: Vec<NewJob>) -> Result<Answer, Refusal> {
    shard
        .call(|ticket| {
            Command::Put(Put {
                ticket,
                queue: queue(),
                jobs,
                repeatable: None,
                until: None,
            })
        })
        .await
}

fn get(shard: &ShardHandle, wait: Duration) -> Pending {
    let until = Some(shard.now().after(wait));
    shard
        .submit(|ticket| {
            Command::Get(Get {
                ticket,
                queue: queue(),
                jobs_max: 1,
                lease_duration: None,
                auto_complete: false,
                until,
                worker: "".into(),
            })
        })
        .unwrap()
}

/// The only job of an answer to Get, with its payload.
async fn got(pending: Pending) -> (Grant, Bytes) {
    let answer = pending.await.unwrap();
    let Reply::Got { mut grants, .. } = answer.reply else {
        panic!("not an answer to Get")
    };
    let content = answer
        .contents
        .into_iter()
        .next()
        .expect("a content for the grant");
    (grants.pop().expect("a job in time"), content.payload)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_answer_leaves_before_its_batch_is_durable() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    assert!(put(&shard, "first").await.is_ok());
    let begun = script.begun();
    script.set(|state| state.held = true);
    let mut waiting = Box::pin(put(&shard, "second"));
    // Polling once submits it; then the store has it and holds it back.
    assert!(futures_poll(waiting.as_mut()).await.is_none());
    script.wait_begun(begun + 1);
    assert!(
        futures_poll(waiting.as_mut()).await.is_none(),
        "answered before it was durable"
    );
    script.set(|state| state.held = false);
    assert!(waiting.await.is_ok());
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_acknowledged_any_more() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    script.set(|state| state.failing = true);
    assert_eq!(put(&shard, "lost").await.unwrap_err(), Refusal::StoreFailed);
    shard
        .watch()
        .wait_for(|c| matches!(c, Condition::Failed(_)))
        .await
        .unwrap();
    script.set(|state| state.failing = false);
    assert_eq!(
        put(&shard, "later").await.unwrap_err(),
        Refusal::StoreFailed
    );
}

#[tokio::test]
async fn a_get_that_went_away_while_it_waited_gets_no_job() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    drop(get(&shard, LONG));
    put(&shard, "kept").await.unwrap();
    let (grant, payload) = got(get(&shard, LONG)).await;
    assert_eq!((grant.attempt, &payload[..]), (1, &b"kept"[..]));
}

#[tokio::test]
async fn a_get_that_went_away_while_its_lease_was_synced_gives_the_job_back_uncounted() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    put(&shard, "kept").await.unwrap();
    let begun = script.begun();
    script.set(|state| state.held = true);
    let pending = get(&shard, LONG);
    script.wait_begun(begun + 1);
    drop(pending);
    script.set(|state| state.held = false);
    let (grant, payload) = got(get(&shard, LONG)).await;
    assert_eq!((grant.attempt, &payload[..]), (1, &b"kept"[..]));
}

#[tokio::test]
async fn a_delivery_that_no_worker_saw_comes_back_uncounted() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    let link = opened(&shard, None).await;
    put(&shard, "kept").await.unwrap();
    // The delivery is in the outbox; the stream goes away without reading it.
    while link.events.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(link);
    let (grant, _) = got(get(&shard, LONG)).await;
    assert_eq!(
        grant.attempt, 1,
        "it does not wait for the grace and is not counted"
    );
}

/// A session that holds one job at most, opened.
async fn opened(shard: &ShardHandle, credit: Option<Credit>) -> SessionLink {
    let mut link = shard.link(credit);
    let open = |session, ticket| {
        Command::OpenSession(OpenSession {
            ticket,
            session,
            queues: vec![queue()],
            worker: "w".into(),
            flow: Flow {
                jobs_max: 1,
                bytes_max: 1 << 20,
            },
            lease_duration: LONG,
            grace: LONG,
            held: Vec::new(),
            scope: Scope::All,
        })
    };
    link.sender().submit(open).unwrap();
    let opened = link.events.recv().await.unwrap();
    assert!(matches!(
        opened,
        SessionEvent::Answer(Ok(Answer {
            reply: Reply::Opened { .. },
            ..
        }))
    ));
    link
}

#[tokio::test]
async fn a_full_disk_refuses_puts_and_nothing_else() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    put(&shard, "last").await.unwrap();
    script.set(|state| state.space = Space::Reserve);
    // The shard learns of it with a commit: this one, or one that is under way.
    let refused = loop {
        if let Err(refused) = put(&shard, "more").await {
            break refused;
        }
    };
    let what = leaseq_engine::space::Unwritten::Jobs;
    let disk_full = leaseq_engine::rejection::Rejection::DiskFull { what };
    assert_eq!(refused, Refusal::Rejected(disk_full));
    assert!(shard.metrics().disk_full(what) > 0);
    let (_, payload) = got(get(&shard, LONG)).await;
    assert_eq!(&payload[..], b"last");
}

#[tokio::test]
async fn jobs_and_identity_survive_a_restart() {
    let script = Arc::new(Script::default());
    let shard = serving(&script).await;
    let identity = shard.identity().unwrap();
    put(&shard, "kept").await.unwrap();
    assert_eq!(shard.stop().await, Condition::Stopped);
    assert_eq!(put(&shard, "late").await.unwrap_err(), Refusal::Draining);
    let shard = serving(&script).await;
    assert_eq!(shard.identity().unwrap().token_key, identity.token_key);
    let (_, payload) = got(get(&shard, LONG)).await;
    assert_eq!(&payload[..], b"kept");
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
