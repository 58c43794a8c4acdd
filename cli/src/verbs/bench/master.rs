//! Those who put: as fast as answers come (closed loop), or at given moments (open loop).

use std::collections::VecDeque;
use std::sync::Arc;

use leaseq_client::{Client, NewJob, PutAnswer, PutTicket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::balance::Balance;
use super::clock::{Clock, Payloads};
use super::queues::Queues;
use super::stats::{Counts, Phase, record};

/// What a master needs.
#[derive(Clone, Debug)]
pub(super) struct Master {
    pub(super) client: Client,
    pub(super) queues: Queues,
    pub(super) clock: Clock,
    pub(super) phase: Arc<Phase>,
    pub(super) payloads: Arc<Payloads>,
    /// What ties masters to workers; `None`: nothing.
    pub(super) balance: Option<Arc<Balance>>,
    /// Jobs that are still to be put, where their number is given.
    pub(super) quota: Option<Arc<Quota>>,
    pub(super) batch: usize,
    pub(super) in_flight: usize,
    pub(super) unary: bool,
}

/// So many jobs, to be shared among the masters.
#[derive(Debug)]
pub(super) struct Quota(std::sync::Mutex<u64>);

impl Quota {
    pub(super) fn new(jobs: u64) -> Self {
        Self(std::sync::Mutex::new(jobs))
    }

    /// Takes up to `batch` jobs.
    fn take(&self, batch: usize) -> usize {
        let mut left = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(batch);
        *left -= taken as u64;
        taken
    }
}

/// A Put in flight: the answer to come, when it was sent, and how many jobs it has.
struct Sent {
    ticket: PutTicket,
    moment: u64,
    jobs: usize,
}

impl Master {
    /// Puts batch after batch until the phase ends.
    pub(super) async fn closed_loop(self) -> Counts {
        if self.unary {
            self.closed_unary().await
        } else {
            self.closed_stream().await
        }
    }

    async fn closed_unary(mut self) -> Counts {
        let mut counts = Counts::new();
        while let Some(jobs) = self.next_batch().await {
            let moment = self.clock.now();
            let batch = self.jobs(moment, jobs);
            let answer = self.client.put_batch(self.queues.next(), batch).await;
            self.count(&mut counts, moment, jobs, answer);
        }
        counts
    }

    async fn closed_stream(mut self) -> Counts {
        let stream = self.client.put_stream_with(self.in_flight);
        let (sender, sent) = mpsc::channel(self.in_flight);
        let reader = tokio::spawn(self.clone().read_answers(sent));
        let mut failed = Counts::new();
        while let Some(jobs) = self.next_batch().await {
            let moment = self.clock.now();
            let batch = self.jobs(moment, jobs);
            match stream.put_batch(self.queues.next(), batch).await {
                Ok(ticket) => {
                    let sent = Sent {
                        ticket,
                        moment,
                        jobs,
                    };
                    if sender.send(sent).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed.error(error);
                    break;
                }
            }
        }
        drop(sender);
        if let Ok(counts) = reader.await {
            failed.add(&counts);
        }
        failed
    }

    /// Answers come in the order of the Puts, so one task can wait for them one after another.
    async fn read_answers(self, mut sent: mpsc::Receiver<Sent>) -> Counts {
        let mut counts = Counts::new();
        while let Some(put) = sent.recv().await {
            let answer = put.ticket.await;
            self.count(&mut counts, put.moment, put.jobs, answer);
        }
        counts
    }

    /// Puts one job at each moment that comes, and never waits for an answer before the next.
    pub(super) async fn open_loop(self, mut moments: mpsc::Receiver<u64>) -> Counts {
        if self.unary {
            self.open_unary(&mut moments).await
        } else {
            self.open_stream(&mut moments).await
        }
    }

    async fn open_stream(mut self, moments: &mut mpsc::Receiver<u64>) -> Counts {
        let stream = self.client.put_stream_with(self.in_flight);
        let mut counts = Counts::new();
        let mut pending: VecDeque<Sent> = VecDeque::new();
        let mut open = true;
        while open || !pending.is_empty() {
            tokio::select! {
                biased;
                (answer, moment) = front(&mut pending), if !pending.is_empty() => {
                    pending.pop_front();
                    self.count(&mut counts, moment, 1, answer);
                }
                moment = moments.recv(), if open => match moment {
                    Some(moment) => {
                        let jobs = self.jobs(moment, 1);
                        match stream.put_batch(self.queues.next(), jobs).await {
                            Ok(ticket) => pending.push_back(Sent { ticket, moment, jobs: 1 }),
                            Err(error) => counts.error(error),
                        }
                    }
                    None => open = false,
                },
            }
        }
        counts
    }

    async fn open_unary(mut self, moments: &mut mpsc::Receiver<u64>) -> Counts {
        let mut counts = Counts::new();
        let mut calls = JoinSet::new();
        let mut open = true;
        while open || !calls.is_empty() {
            tokio::select! {
                Some(called) = calls.join_next() => match called {
                    Ok((moment, answer)) => self.count(&mut counts, moment, 1, answer),
                    Err(panic) => counts.error(panic),
                },
                moment = moments.recv(), if open => match moment {
                    Some(moment) => {
                        let jobs = self.jobs(moment, 1);
                        let put = self.client.put_batch(self.queues.next(), jobs);
                        calls.spawn(async move { (moment, put.await) });
                    }
                    None => open = false,
                },
            }
        }
        counts
    }

    /// How many jobs to put next; `None`: no more. Waits for room.
    async fn next_batch(&self) -> Option<usize> {
        if self.phase.stopped() {
            return None;
        }
        if let Some(balance) = &self.balance
            && !balance.may_put(self.batch).await
        {
            return None;
        }
        match &self.quota {
            None => Some(self.batch),
            Some(quota) => Some(quota.take(self.batch)).filter(|jobs| *jobs > 0),
        }
    }

    fn jobs(&self, moment: u64, jobs: usize) -> Vec<NewJob> {
        self.payloads
            .stamped(moment, jobs)
            .map(NewJob::new)
            .collect()
    }

    fn count(
        &self,
        counts: &mut Counts,
        moment: u64,
        jobs: usize,
        answer: leaseq_client::Result<PutAnswer>,
    ) {
        if let Some(balance) = &self.balance {
            balance.put(jobs);
        }
        match answer {
            Err(error) => counts.error(error),
            Ok(_) if self.phase.measuring() => {
                counts.put_jobs += jobs as u64;
                record(&mut counts.put, self.clock.now() - moment);
            }
            Ok(_) => {}
        }
    }
}

/// The answer to the oldest Put. It stays in the queue, so that nothing is lost when another
/// branch of a select is faster.
async fn front(pending: &mut VecDeque<Sent>) -> (leaseq_client::Result<PutAnswer>, u64) {
    match pending.front_mut() {
        Some(sent) => ((&mut sent.ticket).await, sent.moment),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_exactly() {
        let quota = Quota::new(250);
        let taken: Vec<usize> = (0..4).map(|_| quota.take(100)).collect();
        assert_eq!(taken, [100, 100, 50, 0]);
    }
}
