//! The list of payloads between those who put and those who lease.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use leaseq_proto::v1::{JobIds, LeasedJob, NewJob};
use prost::Message;
use tokio::sync::Notify;

/// As long as the server's tokens.
const TOKEN: [u8; 25] = [7; 25];
const ID: &str = "0193d7a8-5e1c-7000-8000-000000000001";

/// The tag and the length of a payload take no more than this.
const FIELD_BYTES: usize = 8;

/// Jobs that wait, and those who wait for them. Everything else that travels is prepared.
#[derive(Debug)]
pub(super) struct Ready {
    jobs: Mutex<VecDeque<Bytes>>,
    more: Notify,
    /// What every leased job begins with, encoded: all but its payload.
    head: Vec<u8>,
}

impl Ready {
    pub(super) fn new() -> Self {
        Self {
            jobs: Mutex::default(),
            more: Notify::new(),
            head: head().encode_to_vec(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the jobs; gives their ids.
    pub(super) fn put(&self, jobs: Vec<NewJob>) -> JobIds {
        let ids = std::iter::repeat_n(ID, jobs.len()).collect();
        self.lock().extend(jobs.into_iter().map(|job| job.payload));
        self.more.notify_one();
        ids
    }

    /// Up to so many jobs, encoded. If some are left, the next one who waits is told.
    pub(super) fn take(&self, most: usize) -> Vec<Bytes> {
        let mut waiting = self.lock();
        let count = waiting.len().min(most);
        let payloads: Vec<Bytes> = waiting.drain(..count).collect();
        let left = !waiting.is_empty();
        drop(waiting);
        if left {
            self.more.notify_one();
        }
        self.leased(payloads)
    }

    /// At least one.
    pub(super) async fn take_waiting(&self, most: usize) -> Vec<Bytes> {
        loop {
            let jobs = self.take(most);
            if !jobs.is_empty() {
                return jobs;
            }
            self.more().await;
        }
    }

    /// Jobs have come.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// Drops them all.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// All in one allocation, as the server has them.
    fn leased(&self, payloads: Vec<Bytes>) -> Vec<Bytes> {
        let each = |payload: &Bytes| self.head.len() + payload.len() + FIELD_BYTES;
        let mut buffer = BytesMut::with_capacity(payloads.iter().map(each).sum());
        let jobs = payloads.into_iter().map(|payload| {
            buffer.extend_from_slice(&self.head);
            // Protobuf lets a message be written in pieces.
            let rest = LeasedJob {
                payload,
                ..LeasedJob::default()
            };
            rest.encode_raw(&mut buffer);
            buffer.split().freeze()
        });
        jobs.collect()
    }
}

fn head() -> LeasedJob {
    LeasedJob {
        id: ID.to_owned(),
        lease_token: Bytes::from_static(&TOKEN),
        attempt: 1,
        max_attempts: 20,
        fencing_number: 1 << 32,
        put_time: Some(std::time::SystemTime::UNIX_EPOCH.into()),
        ..LeasedJob::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_taken_once() {
        let ready = Ready::new();
        assert_eq!(ready.put(vec![NewJob::default(); 3]).len(), 3);
        ready.put(vec![NewJob::new("x")]);
        assert_eq!(ready.take_waiting(2).await.len(), 2);
        assert_eq!(ready.take(1).len(), 1);
        let taken = ready.take(2);
        let taken = LeasedJob::decode(taken[0].clone()).unwrap();
        assert_eq!((taken.id.as_str(), &taken.payload[..]), (ID, &b"x"[..]));
        assert!(ready.take(2).is_empty());
    }
}
