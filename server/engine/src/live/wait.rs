//! Callers that wait for an answer.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::command::Put;
use crate::effect::Reply;
use crate::id::{JobSeq, QueueId, QueueName, Ticket};
use crate::live::line::{Line, Places};
use crate::time::LeaseTime;

/// A caller that waits.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    /// Until when.
    pub(crate) until: LeaseTime,
    pub(crate) what: Waiting,
}

/// What a caller waits for.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    /// A job.
    Get(WaitingGet),
    /// Room in a full queue.
    Put {
        put: Put,
        queue: QueueId,
        place: u64,
        bytes: usize,
    },
    /// The end of a job.
    Job(JobSeq),
    /// A queue that has nothing left.
    Queue { queue: QueueId, settled: bool },
}

/// A Get in line.
#[derive(Clone, Debug)]
pub(crate) struct WaitingGet {
    pub(crate) queue: QueueName,
    pub(crate) place: u64,
    pub(crate) jobs_max: usize,
    pub(crate) lease_duration: Option<Duration>,
    pub(crate) auto_complete: bool,
    pub(crate) worker: Box<str>,
}

/// All callers that wait, and who waits for what (beside the lines).
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    by_ticket: FxHashMap<Ticket, Wait>,
    for_job: FxHashMap<JobSeq, BTreeSet<Ticket>>,
    /// By queue and by whether leased jobs count too.
    for_queue: FxHashMap<(QueueId, bool), BTreeSet<Ticket>>,
    blocked: FxHashMap<QueueId, Line<Ticket>>,
    places: Places,
    /// Bytes of the Puts that wait for room.
    blocked_bytes: usize,
    /// Callers whose wait has come true and that are not answered yet, with their answer.
    owed: VecDeque<(VecDeque<Ticket>, Reply)>,
}

impl Waits {
    pub(crate) fn len(&self) -> usize {
        self.by_ticket.len()
    }

    pub(crate) fn blocked_bytes(&self) -> usize {
        self.blocked_bytes
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Wait> {
        self.by_ticket.get(&ticket)
    }

    /// Puts a Put at the end of the line of those that wait for room.
    pub(crate) fn block(&mut self, queue: QueueId, put: Put, bytes: usize, until: LeaseTime) {
        let ticket = put.ticket;
        let place = self.places.next();
        self.blocked.entry(queue).or_default().stand(place, ticket);
        let what = Waiting::Put {
            put,
            queue,
            place,
            bytes,
        };
        self.insert(ticket, Wait { until, what });
    }

    pub(crate) fn insert(&mut self, ticket: Ticket, wait: Wait) {
        match &wait.what {
            Waiting::Get(_) => {}
            Waiting::Put { bytes, .. } => self.blocked_bytes += bytes,
            Waiting::Job(job) => {
                self.for_job.entry(*job).or_default().insert(ticket);
            }
            Waiting::Queue { queue, settled } => {
                let index = self.for_queue.entry((*queue, *settled));
                index.or_default().insert(ticket);
            }
        }
        self.by_ticket.insert(ticket, wait);
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Wait> {
        let wait = self.by_ticket.remove(&ticket)?;
        match &wait.what {
            Waiting::Get(_) => {}
            Waiting::Put {
                queue,
                place,
                bytes,
                ..
            } => {
                self.blocked_bytes -= bytes;
                if let Some(line) = self.blocked.get_mut(queue) {
                    line.remove(*place);
                    if line.len() == 0 {
                        self.blocked.remove(queue);
                    }
                }
            }
            Waiting::Job(job) => remove_from(&mut self.for_job, job, ticket),
            Waiting::Queue { queue, settled } => {
                remove_from(&mut self.for_queue, &(*queue, *settled), ticket);
            }
        }
        Some(wait)
    }

    /// The Put that waits longest for room in this queue.
    pub(crate) fn first_blocked(&self, queue: QueueId) -> Option<&Put> {
        let (_, ticket) = self.blocked.get(&queue)?.first()?;
        match &self.by_ticket.get(&ticket)?.what {
            Waiting::Put { put, .. } => Some(put),
            Waiting::Get(_) | Waiting::Job(_) | Waiting::Queue { .. } => None,
        }
    }

    /// Whether anyone waits for the end of a job: usually nobody does.
    pub(crate) fn any_for_job(&self, job: JobSeq) -> bool {
        !self.for_job.is_empty() && self.for_job.contains_key(&job)
    }

    /// Those who wait for the end of the job; they have to be answered.
    pub(crate) fn take_for_job(&mut self, job: JobSeq) -> BTreeSet<Ticket> {
        self.for_job.remove(&job).unwrap_or_default()
    }

    pub(crate) fn any_for_queue(&self) -> bool {
        !self.for_queue.is_empty()
    }

    /// Those who wait until the queue is so; they have to be answered.
    pub(crate) fn take_for_queue(&mut self, queue: QueueId, settled: bool) -> BTreeSet<Ticket> {
        self.for_queue.remove(&(queue, settled)).unwrap_or_default()
    }

    /// These callers get the answer later.
    pub(crate) fn owe(&mut self, tickets: VecDeque<Ticket>, reply: Reply) {
        self.owed.push_back((tickets, reply));
    }

    pub(crate) fn owes_answers(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The next owed answer. Its caller may wait no more.
    pub(crate) fn pop_owed(&mut self) -> Option<(Ticket, Reply)> {
        let (tickets, reply) = self.owed.front_mut()?;
        let ticket = tickets.pop_front()?;
        let reply = reply.clone();
        if tickets.is_empty() {
            self.owed.pop_front();
        }
        Some((ticket, reply))
    }

    /// All of them, in order.
    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        let mut tickets: Vec<_> = self.by_ticket.keys().copied().collect();
        tickets.sort_unstable();
        tickets
    }

    /// I8: every index speaks of callers that wait for just that.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut bytes = 0;
        let (mut jobs, mut queues, mut puts) = (0, 0, 0);
        let owed: BTreeSet<Ticket> = self.owed.iter().flat_map(|(t, _)| t).copied().collect();
        for (ticket, wait) in &self.by_ticket {
            if owed.contains(ticket) {
                continue;
            }
            let right = match &wait.what {
                Waiting::Get(_) => true,
                Waiting::Put {
                    queue,
                    place,
                    bytes: size,
                    ..
                } => {
                    bytes += size;
                    puts += 1;
                    let line = self.blocked.get(queue);
                    line.and_then(|line| line.get(*place)) == Some(*ticket)
                }
                Waiting::Job(job) => {
                    jobs += 1;
                    let index = self.for_job.get(job);
                    index.is_some_and(|index| index.contains(ticket))
                }
                Waiting::Queue { queue, settled } => {
                    queues += 1;
                    let index = self.for_queue.get(&(*queue, *settled));
                    index.is_some_and(|index| index.contains(ticket))
                }
            };
            if !right {
                return Err(format!("I8: {ticket:?} waits but is in no index"));
            }
        }
        let indexed = (
            self.for_job.values().map(BTreeSet::len).sum::<usize>(),
            self.for_queue.values().map(BTreeSet::len).sum::<usize>(),
            self.blocked.values().map(Line::len).sum::<usize>(),
        );
        if indexed != (jobs, queues, puts) || bytes != self.blocked_bytes {
            return Err(format!(
                "I8: {indexed:?} indexed, {jobs} {queues} {puts} wait"
            ));
        }
        Ok(())
    }
}

fn remove_from<K: Eq + std::hash::Hash>(
    index: &mut FxHashMap<K, BTreeSet<Ticket>>,
    key: &K,
    ticket: Ticket,
) {
    if let Some(tickets) = index.get_mut(key) {
        tickets.remove(&ticket);
        if tickets.is_empty() {
            index.remove(key);
        }
    }
}
