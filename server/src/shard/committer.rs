//! Makes batches durable and lets their effects out: on a thread of its own, so that the
//! driver decides the next batch meanwhile, or, when there is no next batch yet, on the
//! driver's. To wake a thread that sleeps costs about as much as a sync.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use leaseq_engine::command::Command;
use leaseq_engine::effect::{Effect, JobResult, Reply};
use leaseq_engine::id::JobSeq;
use leaseq_engine::time::Time;
use leaseq_engine::transition::Content;
use leaseq_store::{
    Batch, CommitError, Compaction, Epoch, Loaded, Position, Report, Space, Store, StoreError,
};
use tracing::{debug, warn};

use super::answer::{Answer, Refusal};
use super::handle::ShardHandle;
use super::inbox::Input;
use super::link::SessionEvent;
use super::outboxes::Outboxes;
use super::scrub::Scrub;
use super::tally::Tally;
use super::work::Work;

/// How often space is looked after when nothing is committed.
const IDLE_COMPACTION: Duration = Duration::from_secs(1);

/// The way to the committer. The driver alone sends, so it knows what is on its way.
pub(super) struct CommitHandle {
    committer: Arc<Mutex<Committer>>,
    works: SyncSender<Work>,
    sent: u64,
}

/// The committer has ended: nothing more is made durable.
#[derive(Debug)]
pub(super) struct Ended;

impl CommitHandle {
    /// Starts the thread. It ends, with the reason if one failed, after the last batch.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(
        committer: Committer,
        batches_ahead: usize,
    ) -> std::io::Result<(Self, JoinHandle<Result<(), String>>)> {
        let (works, receiver) = sync_channel(batches_ahead);
        let committer = Arc::new(Mutex::new(committer));
        let of_thread = Arc::clone(&committer);
        let thread = thread::Builder::new()
            .name("leaseq-commit".into())
            .spawn(move || run(&of_thread, &receiver))?;
        let handle = Self {
            committer,
            works,
            sent: 0,
        };
        Ok((handle, thread))
    }

    /// Makes a batch the next one, at once if `here` and nothing is before it, else on the
    /// thread.
    pub(super) fn commit(&mut self, work: Work, here: bool) -> Result<(), Ended> {
        if here
            && let Ok(mut committer) = self.committer.try_lock()
            && committer.done == self.sent
        {
            self.sent += 1;
            return committer.take(work);
        }
        self.sent += 1;
        self.works.send(work).map_err(|_| Ended)
    }
}

/// The thread: works until the driver has gone. An error is final: everyone who waits is
/// refused.
fn run(committer: &Mutex<Committer>, works: &Receiver<Work>) -> Result<(), String> {
    // Poisoned: the driver panicked in the middle of a batch.
    let lock = || committer.lock().map_err(|_| "a bug: a panic in a batch");
    loop {
        let until_scrub = lock()?.scrub.wait();
        let next = works.recv_timeout(IDLE_COMPACTION.min(until_scrub));
        let mut committer = lock()?;
        let went_on = match next {
            Ok(work) => committer.take(work),
            Err(RecvTimeoutError::Timeout) => committer.look_after_space(),
            Err(RecvTimeoutError::Disconnected) => Err(Ended),
        };
        let went_on = went_on.and_then(|()| committer.scrub());
        if went_on.is_err() {
            return committer.end();
        }
    }
}

/// Owns the store and the outboxes.
pub(super) struct Committer {
    pub(super) store: Box<dyn Store>,
    epoch: Epoch,
    next: Position,
    pub(super) handle: ShardHandle,
    pub(super) outboxes: Outboxes,
    pub(super) scrub: Scrub,
    /// Compaction waits for the driver to restate something.
    compaction_waits: bool,
    /// Batches that were dealt with.
    done: u64,
    /// Why nothing more is made durable.
    pub(super) failed: Option<String>,
    ended: bool,
}

impl Committer {
    pub(super) fn new(
        store: Box<dyn Store>,
        loaded: Loaded,
        handle: ShardHandle,
        scrub: Scrub,
    ) -> Self {
        let outboxes = Outboxes::new(handle.inbox.clone());
        Self {
            store,
            epoch: loaded.epoch,
            next: loaded.next,
            handle,
            outboxes,
            scrub,
            compaction_waits: false,
            done: 0,
            failed: None,
            ended: false,
        }
    }

    /// Deals with a batch. `Err`: it was the last one.
    fn take(&mut self, work: Work) -> Result<(), Ended> {
        self.done += 1;
        if self.ended {
            // The drop of its routes refuses those who wait for it.
            return Err(Ended);
        }
        let stop = work.stop;
        if let Err(error) = self.batch(work) {
            self.failed = Some(error.to_string());
            return Err(Ended);
        }
        if stop {
            return Err(Ended);
        }
        self.look_after_space()
    }

    fn look_after_space(&mut self) -> Result<(), Ended> {
        self.compact().map_err(|error| {
            self.failed = Some(error.to_string());
            Ended
        })
    }

    /// Nothing more is made durable: first nothing new comes in, then what is there is
    /// refused.
    fn end(&mut self) -> Result<(), String> {
        self.ended = true;
        let failed = self.failed.take();
        let why = match failed {
            None => Refusal::Draining,
            Some(_) => Refusal::StoreFailed,
        };
        self.handle.inbox.close(why.clone());
        self.outboxes.fail(&why);
        failed.map_or(Ok(()), Err)
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
        self.report(committed.report);
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

    /// Lets effects out, each with the contents it needs. A content that cannot be read is
    /// left out of its effect (`damage`).
    fn release(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for effect in effects {
            wanted.clear();
            add_wanted(&effect, &mut wanted);
            if wanted.is_empty() {
                self.let_out(effect, Vec::new());
                continue;
            }
            match self.store.contents(&wanted) {
                Ok(contents) => self.let_out(effect, contents),
                Err(error) if error.job().is_some() => {
                    if let Some((effect, contents)) = self.without_unreadable(effect, &wanted)? {
                        self.let_out(effect, contents);
                    }
                }
                Err(error) => return Err(error),
            }
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
                    charge: None,
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
            Effect::LedgerRestated {
                next: Some(from),
                puts_before,
            } => self.compaction_command(Command::RestateLedger { from, puts_before }),
            Effect::LedgerRestated { next: None, .. } => {}
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
            Compaction::Damaged(damaged) => {
                for content in damaged {
                    let lost = self.content_lost(content.job, &content, false);
                    self.compaction_command(lost);
                }
            }
            Compaction::RestateJobs(jobs) => self.compaction_command(Command::RestateJobs { jobs }),
            Compaction::RestateLedger { puts_before } => {
                let from = 0;
                self.compaction_command(Command::RestateLedger { from, puts_before });
            }
        }
        Ok(())
    }

    fn report(&self, report: Report) {
        let metrics = &self.handle.shared.metrics;
        let (was, _) = metrics.space();
        let delays = metrics.report(&report);
        self.tell_space(was, &report);
        if let Some(delayed) = report.delayed.filter(|_| report.delays > delays) {
            warn!("{delayed}; it is tried again every second, and room is short until then");
        }
    }

    /// Says when puts are refused, and when they are taken again. The tiers between may
    /// come and go: the metrics have them.
    fn tell_space(&self, was: Space, report: &Report) {
        if (was == Space::Enough) == (report.space == Space::Enough) {
            return;
        }
        let disk_bytes = report.disk_bytes;
        if report.space == Space::Enough {
            warn!(disk_bytes, "the disk has room again: puts are taken");
        } else {
            warn!(
                disk_bytes,
                "the disk is full: puts are refused until there is room"
            );
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
