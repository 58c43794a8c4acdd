//! A disk in memory that loses, tears and refuses what a real one may.
//!
//! It keeps apart what was written and what was synced: a power cut (`crash`) leaves
//! the synced and an arbitrary part of the rest. What it does is a function of the
//! calls and the seeds alone, so that a failing run can be repeated.

mod fault;
mod medium;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use crate::random::Random;
use fault::{Fate, Faults, Kind};
pub use fault::{Fault, Operations};
use medium::Medium;

/// A disk in memory that fails on demand. Clones are the same disk.
#[derive(Debug)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
    /// Of which start of the machine this value is; those of earlier ones are dead.
    start: AtomicU64,
}

/// An open file of a `FaultyDisk`.
#[derive(Clone, Debug)]
pub struct FaultyFile {
    state: Arc<Mutex<State>>,
    start: u64,
    /// Shared with the medium, which keeps a removed file while it is open.
    number: Arc<u64>,
}

#[derive(Clone, Debug)]
struct State {
    medium: Medium,
    faults: Faults,
    random: Random,
    start: u64,
    capacity: u64,
    record: Option<Vec<(u64, Medium)>>,
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// The same disk, as of now: alive even if the original is from before a crash.
impl Clone for FaultyDisk {
    fn clone(&self) -> Self {
        Self::over(Arc::clone(&self.state))
    }
}

impl FaultyDisk {
    /// An empty disk without bounds and faults.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Arc::new(Mutex::new(State {
            medium: Medium::default(),
            faults: Faults::default(),
            random: Random::new(0),
            start: 0,
            capacity: u64::MAX,
            record: None,
        })))
    }

    fn over(state: Arc<Mutex<State>>) -> Self {
        let start = AtomicU64::new(lock(&state).start);
        Self { state, start }
    }

    /// An independent copy of the disk as it is.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = lock(&self.state).clone();
        state.record = None;
        state.medium.close_all();
        Self::over(Arc::new(Mutex::new(state)))
    }

    /// From now on, keeps the disk as it is before each operation that changes it.
    pub fn record(&self) {
        lock(&self.state).record = Some(Vec::new());
    }

    /// Ends `record`: the disks, each with the number of operations before it.
    #[must_use]
    pub fn recorded(&self) -> Vec<(u64, Self)> {
        let mut state = lock(&self.state);
        let record = state.record.take().unwrap_or_default();
        let disk = |(operations, medium)| {
            let disk = Self::new();
            lock(&disk.state).medium = medium;
            (operations, disk.fork())
        };
        record.into_iter().map(disk).collect()
    }

    /// Cuts the power and starts again: what was synced is there, and what was not
    /// is there in part, as `seed` has it. Planned faults are off. What was opened
    /// before answers with errors only; this value and new clones go on.
    pub fn crash(&self, seed: u64) {
        let mut state = lock(&self.state);
        state.medium.crash(&mut Random::new(seed));
        self.begin_again(&mut state);
    }

    /// Kills the process that uses the disk: like `crash`, but nothing is lost.
    pub fn kill(&self) {
        let mut state = lock(&self.state);
        state.medium.close_all();
        self.begin_again(&mut state);
    }

    fn begin_again(&self, state: &mut State) {
        state.faults.clear();
        state.start += 1;
        self.start.store(state.start, Ordering::Relaxed);
    }

    /// Plans a fault for the `n`-th operation from now (the next is the first), or
    /// the first one after it that can fail so.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        lock(&self.state).faults.plan(n, fault, false);
    }

    /// Plans a fault for the `n`-th operation from now and every later one that can
    /// fail so, until `heal`.
    pub fn fail_from(&self, n: u64, fault: Fault) {
        lock(&self.state).faults.plan(n, fault, true);
    }

    /// No fault is planned any more.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }

    /// Whether a planned fault has happened since the start or the last `heal`.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        lock(&self.state).faults.happened()
    }

    /// How many bytes fit: what would exceed them is refused with `StorageFull`.
    pub fn capacity(&self, bytes: u64) {
        lock(&self.state).capacity = bytes;
    }

    /// Bytes in all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        lock(&self.state).medium.used()
    }

    /// What was done so far.
    #[must_use]
    pub fn operations(&self) -> Operations {
        lock(&self.state).faults.operations
    }

    /// The names of all files, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.state).medium.names()
    }

    /// What is in a file; `None` if there is none.
    #[must_use]
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.state).medium.bytes(name)
    }

    /// Replaces what is in a file, or adds one, durably.
    pub fn write_file(&self, name: &str, bytes: Vec<u8>) {
        lock(&self.state).medium.set(name, bytes);
    }

    /// Turns one bit of a file over, durably: bit 0 is the lowest of byte 0.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        self.change(name, |bytes| {
            let at = usize::try_from(bit / 8).ok();
            if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// Cuts a file off, or adds zeros, durably.
    pub fn truncate(&self, name: &str, len: usize) {
        self.change(name, |bytes| bytes.resize(len, 0));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = lock(&self.state);
        if let Some(mut bytes) = state.medium.bytes(name) {
            change(&mut bytes);
            state.medium.set(name, bytes);
        }
    }

    fn begin(&self, kind: Kind) -> io::Result<(MutexGuard<'_, State>, Fate)> {
        begin(&self.state, self.start.load(Ordering::Relaxed), kind)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A test that panicked with it has failed already.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every operation begins here: counted, and told what will become of it.
fn begin(
    state: &Mutex<State>,
    start: u64,
    kind: Kind,
) -> io::Result<(MutexGuard<'_, State>, Fate)> {
    let mut state = lock(state);
    if start != state.start {
        return Err(io::Error::other("opened before the machine started again"));
    }
    let State {
        medium,
        faults,
        record,
        ..
    } = &mut *state;
    if let Some(record) = record
        && kind.changes()
    {
        record.push((faults.operations.all, medium.clone()));
    }
    let fate = faults.next(kind)?;
    Ok((state, fate))
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<FaultyFile> {
        let (mut state, fate) = self.begin(Kind::Create)?;
        if state.medium.used().saturating_add(bytes) > state.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::StorageFull)?;
        let number = state.medium.create(name, len)?;
        fate.done(FaultyFile {
            state: Arc::clone(&self.state),
            start: state.start,
            number,
        })
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let (mut state, fate) = self.begin(Kind::Open)?;
        let number = state.medium.open(name)?;
        fate.done(FaultyFile {
            state: Arc::clone(&self.state),
            start: state.start,
            number,
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (state, fate) = self.begin(Kind::List)?;
        fate.done(state.medium.names())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::Rename)?;
        fate.done(state.medium.rename(from, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::Remove)?;
        fate.done(state.medium.remove(name)?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::SyncDir)?;
        match fate {
            Fate::Done => state.medium.sync_names(),
            Fate::Torn | Fate::Cut => {}
        }
        fate.done(())
    }

    /// Follows from the calls before, as all that this disk does.
    fn random(&self) -> u32 {
        (lock(&self.state).random.next() >> 32) as u32
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/faulty").join(name)
    }
}

impl FaultyFile {
    fn begin(&self, kind: Kind) -> io::Result<(MutexGuard<'_, State>, Fate)> {
        begin(&self.state, self.start, kind)
    }
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        let (state, fate) = self.begin(Kind::Len)?;
        fate.done(state.medium.file(*self.number)?.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::Read)?;
        state.faults.operations.bytes_read += buffer.len() as u64;
        fate.done(state.medium.file(*self.number)?.read(buffer, offset)?)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::Write)?;
        let used = state.medium.used();
        let room = state.capacity.saturating_sub(used);
        let part = match fate {
            Fate::Done | Fate::Cut => bytes.len(),
            Fate::Torn => state.random.up_to(bytes.len()),
        };
        let bytes = bytes.get(..part).unwrap_or_default();
        state.faults.operations.bytes_written += bytes.len() as u64;
        state
            .medium
            .file_mut(*self.number)?
            .write(bytes, offset, room)?;
        fate.done(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, fate) = self.begin(Kind::Sync)?;
        let State { medium, random, .. } = &mut *state;
        let file = medium.file_mut(*self.number)?;
        match fate {
            Fate::Done => file.sync(),
            Fate::Cut => {}
            Fate::Torn => file.fail_to_sync(random),
        }
        fate.done(())
    }
}
