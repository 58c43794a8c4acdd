//! The thread that makes batches durable and lets their effects out.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use leaseq_engine::Output;
use leaseq_engine::command::Command;
use leaseq_engine::effect::{Effect, JobResult, Reply};
use leaseq_engine::id::{JobSeq, SessionId, Ticket};
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_store::{Batch, CommitError, Compaction, Epoch, Loaded, Position, Store, StoreError};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::answer::{Answer, Refusal};
use super::handle::ShardHandle;
use super::inbox::{Input, Route};
use super::link::SessionEvent;
use super::outboxes::Outboxes;
use super::tally::Tally;

/// How often space is looked after when nothing is committed.
const IDLE_COMPACTION: Duration = Duration::from_secs(1);

/// One batch, on its way from the driver to the disk and out.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) time: Time,
    pub(super) output: Output,
    /// How many commands are in it.
    pub(super) commands: u64,
    /// Where the answers to its commands go.
    pub(super) routes: Vec<Route>,
    /// Refused by the driver; nothing to make durable.
    pub(super) refused: Vec<(Route, Refusal)>,
    pub(super) registered: Vec<(SessionId, mpsc::UnboundedSender<SessionEvent>)>,
    pub(super) closed: Vec<SessionId>,
    /// Callers that have gone away.
    pub(super) abandoned: Vec<Ticket>,
    /// Holds what compaction asked for.
    pub(super) compaction_step: bool,
    pub(super) drain: bool,
    /// The last one.
    pub(super) stop: bool,
}

impl Work {
    pub(super) fn new(time: Time) -> Self {
        Self {
            time,
            output: Output::default(),
            commands: 0,
            routes: Vec::new(),
            refused: Vec::new(),
            registered: Vec::new(),
            closed: Vec::new(),
            abandoned: Vec::new(),
            compaction_step: false,
            drain: false,
            stop: false,
        }
    }

    /// Whether the committer has nothing to do with it.
    pub(super) fn is_empty(&self) -> bool {
        self.output.transitions.is_empty()
            && self.output.effects.is_empty()
            && self.routes.is_empty()
            && self.refused.is_empty()
            && self.registered.is_empty()
            && self.closed.is_empty()
            && self.abandoned.is_empty()
            && !(self.compaction_step || self.drain || self.stop)
    }
}

/// Owns the store and the outboxes.
pub(super) struct Committer {
    store: Box<dyn Store>,
    epoch: Epoch,
    next: Position,
    handle: ShardHandle,
    outboxes: Outboxes,
    /// Compaction waits for the driver to restate something.
    compaction_waits: bool,
}

impl Committer {
    pub(super) fn new(store: Box<dyn Store>, loaded: Loaded, handle: ShardHandle) -> Self {
        let outboxes = Outboxes::new(handle.inbox.clone());
        Self {
            store,
            epoch: loaded.epoch,
            next: loaded.next,
            handle,
            outboxes,
            compaction_waits: false,
        }
    }

    /// Works until the driver has sent its last batch. An error is final: everyone
    /// who waits is refused.
    pub(super) fn run(mut self, works: &Receiver<Work>) -> Result<(), String> {
        let ended = self.work(works);
        let why = match ended {
            Ok(()) => Refusal::Draining,
            Err(_) => Refusal::StoreFailed,
        };
        // First nothing new, then refuse what is there.
        self.handle.inbox.close(why.clone());
        self.outboxes.fail(&why);
        ended
    }

    fn work(&mut self, works: &Receiver<Work>) -> Result<(), String> {
        loop {
            match works.recv_timeout(IDLE_COMPACTION) {
                Ok(work) => {
                    let stop = work.stop;
                    self.batch(work).map_err(|error| error.to_string())?;
                    if stop {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.compact().map_err(|error| error.to_string())?;
        }
    }

    /// One batch: routes in, durable, effects out.
    fn batch(&mut self, work: Work) -> Result<(), CommitError> {
        for (session, outbox) in work.registered {
            self.outboxes.register(session, outbox);
        }
        self.outboxes.expect(work.routes);
        for (route, refusal) in work.refused {
            self.outboxes.send(route, Err(refusal));
        }
        self.commit(work.time, work.output.transitions, work.commands)?;
        if work.compaction_step {
            // Before the effects: one of them may ask for the next step.
            self.compaction_waits = false;
        }
        self.release(work.output.effects)?;
        self.outboxes.keep_expected();
        for session in work.closed {
            self.outboxes.unregister(session);
        }
        for ticket in work.abandoned {
            self.outboxes.forget(ticket);
        }
        if work.drain {
            self.outboxes.drain();
        }
        Ok(())
    }

    fn commit(
        &mut self,
        time: Time,
        transitions: Vec<leaseq_engine::transition::Transition>,
        commands: u64,
    ) -> Result<(), CommitError> {
        if transitions.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let count = transitions.len();
        let tally = Tally::of(&transitions);
        let committed = self
            .store
            .commit(self.epoch, self.next, Batch { time, transitions })?;
        self.next = committed.next;
        let metrics = &self.handle.shared.metrics;
        metrics
            .batch_commands
            .record(commands, &super::metrics::BATCH_BUCKETS);
        metrics.committed(&committed, started.elapsed());
        metrics.jobs.add(&tally);
        debug!(
            commands,
            transitions = count,
            bytes = committed.bytes,
            sync_micros = committed.sync_time.as_micros(),
            "batch durable"
        );
        Ok(())
    }

    /// Lets effects out, each with the contents it needs.
    fn release(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for effect in effects {
            wanted.clear();
            add_wanted(&effect, &mut wanted);
            let contents = if wanted.is_empty() {
                Vec::new()
            } else {
                self.store.contents(&wanted)?
            };
            self.let_out(effect, contents);
        }
        Ok(())
    }

    fn let_out(&mut self, effect: Effect, contents: Vec<Content>) {
        match effect {
            Effect::Reply { ticket, reply } => {
                let answer = reply
                    .map(|reply| Answer { reply, contents })
                    .map_err(Refusal::Rejected);
                self.outboxes.answer(ticket, answer);
            }
            Effect::Deliver {
                session,
                queue,
                grants,
                expire_time,
            } => {
                let deliver = SessionEvent::Deliver {
                    queue,
                    grants,
                    contents,
                    expire_time,
                };
                self.outboxes.event(session, deliver);
            }
            Effect::AskCancel { session, leases } => {
                self.outboxes
                    .event(session, SessionEvent::AskCancel { leases });
            }
            Effect::SessionExpired { session } => {
                self.outboxes.event(session, SessionEvent::Expired);
            }
            Effect::LedgerRestated { next: Some(from) } => {
                self.compaction_command(Command::RestateLedger { from });
            }
            Effect::LedgerRestated { next: None } => {}
        }
    }

    /// One step of reclaiming space, unless the driver still works on the last.
    fn compact(&mut self) -> Result<(), StoreError> {
        if self.compaction_waits {
            return Ok(());
        }
        match self.store.compact()? {
            Compaction::Idle(report) => self.report(report),
            Compaction::Removed(report) => {
                debug!(
                    segments = report.segments,
                    bytes = report.disk_bytes,
                    "a segment is removed"
                );
                self.report(report);
            }
            Compaction::RestateJobs(jobs) => self.compaction_command(Command::RestateJobs { jobs }),
            Compaction::RestateLedger => {
                self.compaction_command(Command::RestateLedger { from: 0 });
            }
        }
        Ok(())
    }

    fn report(&self, report: leaseq_store::Report) {
        let metrics = &self.handle.shared.metrics;
        let was = metrics
            .disk_reserve
            .load(std::sync::atomic::Ordering::Relaxed);
        metrics.report(&report);
        let is = metrics
            .disk_reserve
            .load(std::sync::atomic::Ordering::Relaxed);
        if was != is {
            let state = if is {
                "refused: the disk is down to the reserve"
            } else {
                "taken again"
            };
            warn!(disk_bytes = report.disk_bytes, "puts are {state}");
        }
    }

    fn compaction_command(&mut self, command: Command) {
        self.compaction_waits = true;
        self.handle.inbox.add(Input::Compact(command));
    }
}

/// Adds the jobs whose contents an effect needs, in order.
fn add_wanted(effect: &Effect, wanted: &mut Vec<JobSeq>) {
    match effect {
        Effect::Reply {
            reply: Ok(Reply::Got { grants, .. }),
            ..
        }
        | Effect::Deliver { grants, .. } => wanted.extend(grants.iter().map(|grant| grant.job)),
        Effect::Reply {
            reply: Ok(Reply::Job { job, content: true }),
            ..
        } => wanted.push(job.job),
        Effect::Reply {
            reply:
                Ok(Reply::JobWaited {
                    result: JobResult::Stored(job),
                    ..
                }),
            ..
        } => wanted.push(*job),
        _ => {}
    }
}
