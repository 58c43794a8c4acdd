//! The thread that decides: inbox to engine, engine to committer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use leaseq_engine::command::Command;
use leaseq_engine::id::{NamespaceTag, NumberFloor};
use leaseq_engine::settings::EngineConfig;
use leaseq_engine::time::Time;
use leaseq_engine::{Engine, Output};
use leaseq_store::{Batch, Loaded, Space, Store, StoreError};
use tracing::{error, info, warn};

use super::answer::Refusal;
use super::clock::Clock;
use super::committer::{CommitHandle, Committer, Ended};
use super::handle::{Condition, Identity, ShardHandle, Shared};
use super::inbox::{Inbox, Input, Route};
use super::looks::{self, Looks};
use super::scrub::Scrub;
use super::shortcomings;
use super::wall::{self, Wall, WallWatch};
use super::weight::{content_bytes, jobs_in, splitmix};
use super::work::Work;

/// How many batches may wait for the committer. One: while a batch is being made
/// durable, the next one is decided, and commands for the one after gather.
const BATCHES_AHEAD: usize = 1;

/// A batch is closed when the engine has taken so many steps for each job that a batch
/// may name: many small commands can each set free a lot of work.
const STEPS_PER_JOB: usize = 4;

/// Limits of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardOptions {
    /// How many commands may wait for the driver.
    pub(crate) pending_commands_max: usize,
    /// How many bytes of content they may bring together.
    pub(crate) pending_bytes_max: usize,
    /// A batch is closed when its contents reach this many bytes. Far below a
    /// segment of the journal, which a batch has to fit.
    pub(crate) batch_bytes_max: usize,
    /// A batch is closed when so many jobs were put, settled or asked about in it: some
    /// milliseconds of work, so that those who wait do not wait for all that has gathered.
    pub(crate) batch_jobs_max: usize,
    /// The wall clock is followed however far it has jumped.
    pub(crate) accept_clock: bool,
    /// How fast contents on disk are read to look for damage; 0: not at all.
    pub(crate) scrub_bytes_per_second: u64,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            pending_commands_max: 65_536,
            pending_bytes_max: 256 << 20,
            batch_bytes_max: 8 << 20,
            batch_jobs_max: 4096,
            accept_clock: false,
            scrub_bytes_per_second: 1 << 20,
        }
    }
}

/// Starts a shard on `store`. It refuses with `Recovering` until the store is
/// read; `ShardHandle::watch` tells when that is over.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn start(
    store: Box<dyn Store>,
    config: EngineConfig,
    options: ShardOptions,
    clock: Clock,
) -> std::io::Result<ShardHandle> {
    let inbox = Inbox::new(options);
    let handle = ShardHandle {
        inbox,
        shared: Arc::new(Shared::new(clock)),
    };
    let driver_handle = handle.clone();
    thread::Builder::new()
        .name("leaseq-shard".into())
        .spawn(move || {
            run(driver_handle, store, config, options);
        })?;
    Ok(handle)
}

/// The life of a shard. Whatever ends it, a panic included, its condition says so.
fn run(handle: ShardHandle, store: Box<dyn Store>, config: EngineConfig, options: ShardOptions) {
    let shared = Arc::clone(&handle.shared);
    let inbox = handle.inbox.clone();
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        live(handle, store, config, options)
    }));
    let condition = match lived {
        Ok(Ok(())) => Condition::Stopped,
        Ok(Err(reason)) => Condition::Failed(reason),
        Err(_) => Condition::Failed("a bug: the shard's thread panicked".into()),
    };
    let refusal = match &condition {
        Condition::Failed(reason) => {
            error!(reason, "the store failed; nothing is acknowledged any more");
            Refusal::StoreFailed
        }
        _ => Refusal::Draining,
    };
    inbox.close(refusal);
    shared.condition.send_replace(condition);
}

fn live(
    handle: ShardHandle,
    mut store: Box<dyn Store>,
    config: EngineConfig,
    options: ShardOptions,
) -> Result<(), String> {
    let (engine, loaded, first) =
        recover(&mut *store, config, options, &handle.shared).map_err(|error| error.to_string())?;
    let scrub = Scrub::new(options.scrub_bytes_per_second);
    let committer = Committer::new(store, loaded, handle.clone(), scrub);
    let (commit, committer) = CommitHandle::start(committer, BATCHES_AHEAD)
        .map_err(|error| format!("the operating system gives no thread: {error}"))?;
    let mut driver = Driver {
        engine,
        inbox: handle.inbox.clone(),
        shared: Arc::clone(&handle.shared),
        options,
        commit,
        taken: VecDeque::new(),
        first: None,
        looks: Looks::new(handle.shared.clock.now()),
        wall: WallWatch::default(),
    };
    if driver.begin(first, handle.shared.clock.now()).is_ok() {
        handle.inbox.open();
        driver.shared.condition.send_replace(Condition::Serving);
        driver.run();
    }
    drop(driver);
    committer
        .join()
        .unwrap_or_else(|_| Err("a bug: the committer's thread panicked".into()))
}

/// Reads the store into a new engine. What the engine has to say about the
/// restart is the first batch.
fn recover(
    store: &mut dyn Store,
    config: EngineConfig,
    options: ShardOptions,
    shared: &Shared,
) -> Result<(Engine, Loaded, Output), StoreError> {
    let started = Instant::now();
    let mut engine = Engine::new(config);
    let mut batches = 0_u64;
    let loaded = store.load(&mut |batch: Batch, trimmed| {
        batches += 1;
        batch
            .transitions
            .iter()
            .try_for_each(|transition| engine.restore(transition, trimmed))
            .map_err(|error| error.to_string())
    })?;
    shared.metrics.report(&loaded.report);
    let mut first = Output::default();
    if engine.identity().is_none() {
        let (tag, token_key) = new_identity()?;
        engine.create(tag, token_key, &mut first);
    } else {
        let (end, clocks) = (loaded.last_time, engine.clocks());
        let down = shared.clock.resume(end, clocks, options.accept_clock);
        wall::tell_down(down);
    }
    let now = shared.clock.now();
    let floor = NumberFloor::at(now.max(shared.clock.machine_wall()));
    engine.restored(loaded.last_time, now, Some(floor), &mut first);
    let clocks = Command::ClocksRead(shared.clock.reading());
    engine.apply(now, clocks, &mut first);
    if let Some((_, token_key)) = engine.identity() {
        // Set once: this is the only place, and it runs once.
        let _ = shared.identity.set(Identity { token_key });
    }
    let took = started.elapsed();
    shared
        .metrics
        .recovery_micros
        .store(super::metrics::micros(took), Ordering::Relaxed);
    shared
        .metrics
        .torn_bytes
        .store(loaded.torn_bytes, Ordering::Relaxed);
    if loaded.torn_bytes > 0 {
        warn!(
            bytes = loaded.torn_bytes,
            "cut a torn batch, never acknowledged, off the journal"
        );
    }
    shortcomings::tell(loaded.shortcomings);
    if let Some(loss) = loaded.loss {
        error!("going on without jobs that were acknowledged, as accept_loss says: {loss}");
    }
    info!(batches, millis = took.as_millis(), "the journal is read");
    Ok((engine, loaded, first))
}

fn new_identity() -> Result<(NamespaceTag, [u8; 16]), StoreError> {
    let mut random = [0_u8; 20];
    getrandom::fill(&mut random).map_err(|error| StoreError::Entropy {
        what: error.to_string(),
    })?;
    let [a, b, c, d, token_key @ ..] = random;
    Ok((
        NamespaceTag::new(u32::from_le_bytes([a, b, c, d])),
        token_key,
    ))
}

struct Driver {
    engine: Engine,
    inbox: Inbox,
    shared: Arc<Shared>,
    options: ShardOptions,
    commit: CommitHandle,
    /// Taken from the inbox and not yet decided.
    taken: VecDeque<Input>,
    /// What the engine had to say about the restart, as long as it is not written. It goes
    /// with the first batch: on a full disk, starts alone write nothing.
    first: Option<Output>,
    looks: Looks,
    wall: WallWatch,
}

impl Driver {
    /// Writes what the engine had to say about the restart, unless there is no room.
    fn begin(&mut self, first: Output, now: Time) -> Result<(), Ended> {
        if self.shared.metrics.space().0 >= Space::Last {
            self.first = Some(first);
            return Ok(());
        }
        let mut work = Work::new(now);
        work.output = first;
        self.commit.commit(work, false)
    }

    /// Decides until it is told to stop or the committer has failed.
    fn run(&mut self) {
        loop {
            // What is left of a full batch goes first: taking more would be a second
            // inbox without a bound.
            if self.taken.is_empty() {
                let wait = self.wait();
                if !self.inbox.take(&mut self.taken, wait) {
                    return;
                }
            }
            let (space, room) = self.shared.metrics.space();
            // Two batches may be under way that the store has not written yet.
            self.engine.set_space(space, room / 4);
            let mut work = Work::new(self.shared.clock.now());
            let stalled = self.look(&mut work);
            self.decide(&mut work);
            if space > Space::Enough {
                self.shared.metrics.unwritten(&work.output.effects);
            }
            let only_stalled = stalled && work.output.transitions.len() == 1;
            let stop = work.stop;
            let something = !work.is_empty();
            let writes = !work.output.transitions.is_empty();
            if writes && let Some(first) = self.first.take() {
                work.put_before(first);
            }
            // With commands waiting, the disk and the engine work at the same time.
            let idle = self.taken.is_empty() && self.inbox.is_empty();
            if (something && self.commit.commit(work, idle).is_err()) || stop {
                return;
            }
            if only_stalled {
                // On a slow disk the record of a stall would be the next stall.
                self.looks.forgive(self.shared.clock.now());
            }
        }
    }

    /// How long nothing is due.
    fn wait(&mut self) -> Duration {
        let now = self.shared.clock.now();
        self.looks.wait(now, self.engine.next_deadline())
    }

    /// Looks at the clocks. Tells whether the server was stalled.
    fn look(&mut self, work: &mut Work) -> bool {
        let clock = &self.shared.clock;
        match self
            .wall
            .look(work.time, clock.wall_ahead(), self.options.accept_clock)
        {
            Wall::Leave => {}
            Wall::Follow(by) => {
                clock.move_offset(by);
                let clocks = Command::ClocksRead(clock.reading());
                self.engine.apply(work.time, clocks, &mut work.output);
                wall::tell_followed(by);
            }
            Wall::TooFar(by) => wall::tell_too_far(by),
        }
        let Some(by) = self.looks.look(work.time) else {
            return false;
        };
        self.shared.metrics.stalled(by);
        looks::tell_stalled(by);
        // What a call in the inbox said of its time was before the stall.
        for input in &mut self.taken {
            if let Input::Command(command, _) = input {
                looks::wait_longer(command, by);
            }
        }
        self.engine
            .apply(work.time, Command::Stalled { by }, &mut work.output);
        true
    }

    /// Applies what was taken, up to a batch's worth, and what is due.
    fn decide(&mut self, work: &mut Work) {
        let (mut bytes, mut jobs) = (0, 0);
        while bytes < self.options.batch_bytes_max
            && jobs < self.options.batch_jobs_max
            && work.output.steps < STEPS_PER_JOB * self.options.batch_jobs_max
            && !work.stop
        {
            let Some(input) = self.taken.pop_front() else {
                break;
            };
            match input {
                Input::Command(command, route) => {
                    jobs += jobs_in(&command);
                    bytes += self.command(work, command, route);
                }
                Input::Register(session, outlet) => work.registered.push((session, outlet)),
                Input::Signs(signs) => {
                    for command in signs.take() {
                        jobs += jobs_in(&command);
                        bytes += self.command(work, command, Route::None);
                    }
                }
                Input::Compact(command) => {
                    work.compaction_step = true;
                    self.engine.decide(work.time, command, &mut work.output);
                }
                Input::Drain => work.drain = true,
                Input::Stop => work.stop = true,
            }
        }
        self.engine.finish(work.time, &mut work.output);
        self.note_request_ids();
        let due = self.engine.next_deadline();
        if due.is_some_and(|due| due <= work.time) && self.looks.may_expire(work.time) {
            let random = splitmix(work.time);
            self.engine
                .apply(work.time, Command::Tick { random }, &mut work.output);
        }
    }

    fn note_request_ids(&self) {
        let metrics = &self.shared.metrics;
        let count = self.engine.remembered_puts();
        let full_since = self.engine.remembered_puts_full_since();
        let full_since = full_since.map_or(0, Time::as_millis);
        metrics.request_ids.store(count as u64, Ordering::Relaxed);
        metrics
            .request_ids_full_since
            .store(full_since, Ordering::Relaxed);
    }

    /// Applies one command; gives the bytes of content it brought.
    fn command(&mut self, work: &mut Work, command: Command, route: Route) -> usize {
        self.shared.metrics.commands.fetch_add(1, Ordering::Relaxed);
        work.commands += 1;
        let bytes = content_bytes(&command);
        if !matches!(route, Route::None) {
            work.routes.push(route);
        }
        if let Command::CloseSession { session } = &command {
            work.closed.push(*session);
        }
        if let Command::Abandon { ticket } = &command {
            work.abandoned.push(*ticket);
        }
        self.engine.decide(work.time, command, &mut work.output);
        bytes
    }
}
