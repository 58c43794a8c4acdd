//! A shard on a small disk that is full of jobs: it goes on for hours, over restarts, and
//! takes puts again when workers have made room.

use std::collections::HashSet;

use leaseq_engine::command::{Extend, Settle, Settlement, Verdict};
use leaseq_engine::effect::{Extension, Grant};
use leaseq_engine::id::{JobId, LeaseRef};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::space::Unwritten;
use leaseq_store::disk::FaultyDisk;
use leaseq_store::{Journal, JournalOptions};

use super::*;

const SEGMENT: u64 = 64 << 10;

/// A server that can be started again, and what it has acknowledged.
struct Server {
    disk: FaultyDisk,
    shard: ShardHandle,
    waiting: HashSet<JobId>,
    refused: HashSet<Unwritten>,
}

async fn started(disk: &FaultyDisk) -> ShardHandle {
    let options = JournalOptions {
        segment_bytes: SEGMENT,
        ..JournalOptions::default()
    };
    let store = Box::new(Journal::on(disk.clone(), options));
    let options = ShardOptions::default();
    let config = EngineConfig {
        releases_max: u32::MAX,
        ..EngineConfig::default()
    };
    let shard = start(store, config, options, Clock::start()).unwrap();
    shard
        .watch()
        .wait_for(|condition| match condition {
            Condition::Failed(why) => panic!("{why}"),
            condition => *condition == Condition::Serving,
        })
        .await
        .unwrap();
    shard
}

impl Server {
    /// With as many jobs as the disk takes.
    async fn filled(segments: u64) -> Self {
        let disk = FaultyDisk::new();
        disk.capacity(segments * SEGMENT);
        let mut server = Self {
            shard: started(&disk).await,
            disk,
            waiting: HashSet::new(),
            refused: HashSet::new(),
        };
        while server.put().await {}
        server
    }

    async fn restart(&mut self, kill: bool) {
        if kill {
            // The old shard notices with its next write.
            self.disk.kill();
        } else {
            assert_eq!(self.shard.stop().await, Condition::Stopped);
        }
        self.shard = started(&self.disk).await;
    }

    fn told(&mut self, rejection: Rejection) {
        let Rejection::DiskFull { what } = rejection else {
            panic!("{rejection}");
        };
        self.refused.insert(what);
    }

    /// A job whose result is kept and told. False: refused.
    async fn put(&mut self) -> bool {
        let mut job = NewJob::plain(Content {
            payload: vec![7; 900].into(),
            ..Content::default()
        });
        job.reply_to = Some(QueueName::new("replies").unwrap());
        match put_all(&self.shard, vec![job]).await {
            Ok(answer) => {
                let Reply::Put { ids, .. } = answer.reply else {
                    panic!("no answer to Put");
                };
                self.waiting.extend(ids);
                true
            }
            Err(Refusal::Rejected(rejection)) => {
                self.told(rejection);
                false
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn get(&mut self, queue: &str) -> Option<Grant> {
        let answer = self
            .shard
            .call(|ticket| {
                Command::Get(Get {
                    ticket,
                    queue: QueueName::new(queue).unwrap(),
                    jobs_max: 1,
                    lease_duration: Some(LONG),
                    auto_complete: false,
                    until: None,
                    worker: "".into(),
                })
            })
            .await;
        match answer {
            Ok(answer) => {
                let Reply::Got { mut grants, .. } = answer.reply else {
                    panic!("no answer to Get");
                };
                grants.pop()
            }
            Err(Refusal::Rejected(rejection)) => {
                self.told(rejection);
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    /// False: refused for now, and the lease stands.
    async fn settle(&mut self, grant: &Grant, verdict: Verdict) -> bool {
        let lease = lease(grant);
        let settlement = Ok(Settlement { lease, verdict });
        let answer = self.shard.call(|ticket| {
            Command::Settle(Settle {
                ticket,
                session: None,
                scope: Scope::All,
                settlements: vec![settlement],
                random: 1,
            })
        });
        let Reply::Settled(mut results) = answer.await.unwrap().reply else {
            panic!("no answer to Settle");
        };
        match results.pop().unwrap() {
            Ok(()) => true,
            Err(rejection) => {
                self.told(rejection);
                false
            }
        }
    }

    async fn settle_at_last(&mut self, grant: &Grant, verdict: Verdict) {
        for _ in 0..10_000 {
            if self.settle(grant, verdict.clone()).await {
                return;
            }
        }
        panic!("a verdict is refused for ever");
    }

    async fn extend(&mut self, grant: &Grant, seconds: u64) {
        let lease = lease(grant);
        let answer = self.shard.call(|ticket| {
            Command::Extend(Extend {
                ticket,
                session: None,
                scope: Scope::All,
                leases: vec![Ok(lease)],
                lease_duration: Some(Duration::from_secs(seconds)),
                progress: "".into(),
            })
        });
        let Reply::Extended(mut results) = answer.await.unwrap().reply else {
            panic!("no answer to Extend");
        };
        let result: Result<Extension, Rejection> = results.pop().unwrap();
        if let Err(rejection) = result {
            self.told(rejection);
        }
    }

    /// Workers do all jobs, and the master takes all outcomes.
    async fn drain(&mut self) {
        let (mut idle, mut rounds) = (0, 0);
        while idle < 100 {
            rounds += 1;
            let (space, room) = self.shard.metrics().space();
            assert!(
                rounds < 200_000,
                "{} left: {space:?}, {room}",
                self.waiting.len()
            );
            // Nothing is leased while compaction makes room.
            idle += usize::from(space < Space::Last);
            for queue in ["jobs", "replies"] {
                let Some(grant) = self.get(queue).await else {
                    continue;
                };
                idle = 0;
                if queue == "jobs" {
                    assert!(
                        self.waiting.remove(&grant.id),
                        "it was put, and is done once"
                    );
                }
                self.settle_at_last(&grant, complete(100)).await;
            }
        }
    }
}

fn lease(grant: &Grant) -> LeaseRef {
    LeaseRef {
        job: grant.job,
        lease: grant.lease,
    }
}

fn complete(bytes: usize) -> Verdict {
    let result = Bytes::from(vec![1; bytes]);
    Verdict::Complete { result }
}

fn release() -> Verdict {
    let delay = Duration::ZERO;
    Verdict::Release { delay }
}

#[tokio::test]
async fn a_full_disk_is_survived_for_hours_and_over_restarts() {
    let mut server = Server::filled(9).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(server.get("jobs").await.expect("workers still get jobs"));
    }
    // About ten segments' worth of extensions and of leases that come to nothing.
    for round in 1..=8_000_u64 {
        let at = usize::try_from(round).unwrap() % held.len();
        server.extend(&held[at].clone(), 60 + round).await;
        if round % 3 == 0
            && let Some(grant) = server.get("jobs").await
        {
            server.settle_at_last(&grant, release()).await;
        }
        if round % 1_000 == 0 {
            server.restart(round % 2_000 == 0).await;
        }
    }
    // A large result is refused and the lease stands; a small one goes.
    for grant in held {
        while server.put().await {}
        assert!(!server.settle(&grant, complete(32 << 10)).await);
        assert!(server.refused.contains(&Unwritten::Results));
        server.settle_at_last(&grant, complete(100)).await;
        assert!(server.waiting.remove(&grant.id), "it was done once");
    }
    // Nothing else was lost or done twice: the rest is there, and then puts go again.
    server.drain().await;
    assert_eq!(server.waiting.len(), 0, "every job was done");
    for _ in 0..1_000 {
        if server.put().await {
            return;
        }
    }
    panic!("puts are not taken again");
}

#[tokio::test]
async fn starts_on_a_full_disk_take_no_room() {
    let mut server = Server::filled(6).await;
    // Leases, so that a start has something to say: how long it was down.
    let held = server.get("jobs").await.expect("workers still get jobs");
    for _ in 0..2_000 {
        server.extend(&held, 100).await;
    }
    for n in 0..1_000 {
        server.restart(n % 2 == 0).await;
    }
    server.settle_at_last(&held, complete(1)).await;
    assert!(server.waiting.remove(&held.id));
    server.drain().await;
    assert_eq!(server.waiting.len(), 0, "every job was done");
}
