//! The journal without anything in front of it: one thread commits batches as the shard would, put
//! and grant of some jobs and the completion of those before.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueId, QueueName};
use leaseq_engine::settings::{JobSettings, QueueSettings};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{Content, Holder, Sizes, Transition};
use leaseq_store::{Batch, Journal, JournalOptions, Store};

use crate::failure::{Failure, Result};
use crate::measured::Measured;

/// Commits batches of so many jobs for so long.
pub(super) async fn measure(
    dir: &Path,
    jobs: usize,
    payload: usize,
    duration: Duration,
) -> Result<Measured> {
    let dir = tempfile::Builder::new()
        .prefix("leaseq-bench-")
        .tempdir_in(dir)?;
    let ran = move || run(&dir.path().join("journal"), jobs, payload, duration);
    tokio::task::spawn_blocking(ran).await?
}

fn run(dir: &Path, jobs: usize, payload: usize, duration: Duration) -> Result<Measured> {
    let mut journal = Journal::open(dir, JournalOptions::default())?;
    let loaded = journal.load(&mut |_, _| Ok(()))?;
    let mut feed = Feed::new(jobs, payload);
    let mut next = journal
        .commit(loaded.epoch, loaded.next, feed.beginning()?)?
        .next;
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < duration {
        next = journal.commit(loaded.epoch, next, feed.batch()?)?.next;
        done += jobs as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured {
        jobs: done,
        seconds,
        jobs_per_s: done as f64 / seconds,
        ..Measured::default()
    })
}

/// Makes the batches.
struct Feed {
    jobs: u64,
    content: Content,
    next: u64,
}

impl Feed {
    fn new(jobs: usize, payload: usize) -> Self {
        Self {
            jobs: jobs as u64,
            content: Content {
                headers: Bytes::new(),
                payload: Bytes::from(vec![0x5a; payload]),
            },
            next: 1,
        }
    }

    fn beginning(&self) -> Result<Batch> {
        let time = now()?;
        let transitions = vec![
            Transition::NamespaceCreated {
                tag: NamespaceTag::new(1),
                token_key: [1; 16],
            },
            Transition::QueueSet {
                queue: QueueId(1),
                name: QueueName::new("q").map_err(|_| Failure::new("the name of a queue"))?,
                settings: QueueSettings::default(),
                paused: false,
                revision: 1,
                create_time: time,
            },
        ];
        Ok(Batch { time, transitions })
    }

    fn batch(&mut self) -> Result<Batch> {
        let (time, first, jobs) = (now()?, self.next, self.jobs);
        self.next += jobs;
        let mut transitions = vec![
            Transition::JobsAdded {
                first: JobSeq(first),
                queue: QueueId(1),
                put_time: time,
                settings: plain(),
                sizes: Sizes::Uniform {
                    count: u32::try_from(jobs)?,
                    size: self.content.size(),
                },
                contents: vec![self.content.clone(); usize::try_from(jobs)?],
            },
            Transition::LeasesGranted {
                first_lease: LeaseNumber(first),
                jobs: (first..first + jobs).map(JobSeq).collect(),
                grant_time: time,
                holder: Holder::Session,
                lease_duration: Duration::from_secs(30),
            },
        ];
        if first > jobs {
            let lease = |number| LeaseRef {
                job: JobSeq(number),
                lease: LeaseNumber(number),
            };
            transitions.push(Transition::JobsCompleted {
                leases: (first - jobs..first).map(lease).collect(),
            });
        }
        Ok(Batch { time, transitions })
    }
}

/// What a job is told that is told nothing.
fn plain() -> JobSettings {
    let queue = QueueSettings::default();
    JobSettings {
        priority: 0,
        ready_time: None,
        max_attempts: queue.max_attempts,
        retry: queue.retry,
        reply_to: None,
        run_time_max: None,
        result_retention: queue.result_retention,
    }
}

fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Time::from_millis(u64::try_from(since.as_millis())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_journal_takes_what_it_is_fed() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(dir.path(), 10, 128, Duration::from_millis(20)).await;
        assert!(measured.unwrap().jobs >= 10);
    }
}
