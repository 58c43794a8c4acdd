//! What is on the disk and what is only in the system's cache.
//!
//! Assumed of a real disk, and no more: a sector of 512 bytes is written whole or not
//! at all, and holds some state that it had in the cache since the last sync; sectors
//! go to the disk in any order. Names are changed by a journalling file system: each
//! change whole or not at all, and in any order between syncs; after a sync of them
//! failed, it never says that it went well without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Weak};

use crate::random::Random;

const SECTOR: u64 = 512;

/// A directory and its files.
#[derive(Clone, Debug, Default)]
pub(super) struct Medium {
    /// As the process sees it.
    names: BTreeMap<String, u64>,
    /// As a power cut leaves it.
    durable: BTreeMap<String, u64>,
    /// What was done to `names` and not to `durable`, in order.
    unsynced: Vec<NameChange>,
    files: BTreeMap<u64, File>,
    next: u64,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, u64),
    Rename(String, String),
    Remove(String),
}

/// A file, with or without a name.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not synced, in order.
    unsynced: Vec<Write>,
    handle: Weak<u64>,
}

#[derive(Clone, Debug)]
struct Write {
    offset: u64,
    bytes: Vec<u8>,
}

impl Medium {
    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn used(&self) -> u64 {
        let files = self.names.values().filter_map(|n| self.files.get(n));
        files.map(|file| file.cached.len() as u64).sum()
    }

    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let number = self.names.get(name)?;
        Some(self.files.get(number)?.cached.clone())
    }

    /// Sets what a file has, durably.
    pub(super) fn set(&mut self, name: &str, bytes: Vec<u8>) {
        let number = match self.names.get(name) {
            Some(number) => *number,
            None => self.add(name).1,
        };
        self.sync_names();
        let file = self.files.entry(number).or_default();
        file.durable.clone_from(&bytes);
        file.cached = bytes;
        file.unsynced.clear();
    }

    pub(super) fn create(&mut self, name: &str, len: usize) -> io::Result<Arc<u64>> {
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (handle, number) = self.add(name);
        self.file_mut(number)?.cached = vec![0; len];
        Ok(handle)
    }

    fn add(&mut self, name: &str) -> (Arc<u64>, u64) {
        self.next += 1;
        let number = self.next;
        let handle = Arc::new(number);
        let file = File {
            handle: Arc::downgrade(&handle),
            ..File::default()
        };
        self.files.insert(number, file);
        self.change(NameChange::Add(name.to_owned(), number));
        (handle, number)
    }

    pub(super) fn open(&mut self, name: &str) -> io::Result<Arc<u64>> {
        let number = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let file = self.file_mut(number)?;
        Ok(file.handle.upgrade().unwrap_or_else(|| {
            let handle = Arc::new(number);
            file.handle = Arc::downgrade(&handle);
            handle
        }))
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if !self.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        if !self.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    pub(super) fn sync_names(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
        self.forget_unreachable();
    }

    fn sync_some_names(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        let survival = Survival::draw(random, changes.len());
        for (at, change) in changes.into_iter().enumerate() {
            if survival.keeps(random, at) {
                change.apply(&mut self.durable);
            }
        }
    }

    fn forget_unreachable(&mut self) {
        let named: BTreeSet<u64> = self
            .names
            .values()
            .chain(self.durable.values())
            .copied()
            .collect();
        self.files
            .retain(|number, file| named.contains(number) || file.handle.strong_count() > 0);
    }

    /// What a power cut leaves.
    pub(super) fn crash(&mut self, random: &mut Random) {
        self.sync_some_names(random);
        self.names = self.durable.clone();
        for file in self.files.values_mut() {
            file.fail_to_sync(random);
            file.cached.clone_from(&file.durable);
        }
        self.close_all();
    }

    /// No file is open any more.
    pub(super) fn close_all(&mut self) {
        for file in self.files.values_mut() {
            file.handle = Weak::new();
        }
        self.forget_unreachable();
    }

    pub(super) fn file(&self, number: u64) -> io::Result<&File> {
        Ok(self.files.get(&number).ok_or(io::ErrorKind::NotFound)?)
    }

    pub(super) fn file_mut(&mut self, number: u64) -> io::Result<&mut File> {
        Ok(self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl NameChange {
    /// Does it where it can be done: without what came before, it may be void.
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Add(name, number) => {
                names.insert(name.clone(), *number);
            }
            Self::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

/// Which of some changes survive.
#[derive(Clone, Copy, Debug)]
enum Survival {
    None,
    All,
    First(usize),
    Some,
}

impl Survival {
    fn draw(random: &mut Random, changes: usize) -> Self {
        match random.up_to(3) {
            0 => Self::None,
            1 => Self::All,
            2 => Self::First(random.up_to(changes)),
            _ => Self::Some,
        }
    }

    fn keeps(self, random: &mut Random, at: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::First(count) => at < count,
            Self::Some => random.up_to(1) == 1,
        }
    }
}

impl File {
    pub(super) fn len(&self) -> usize {
        self.cached.len()
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let to = from.saturating_add(buffer.len());
        let bytes = self.cached.get(from..to);
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Writes, and lets the file grow by up to `room` bytes.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, room: u64) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end.saturating_sub(self.cached.len() as u64) > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let write = Write {
            offset,
            bytes: bytes.to_vec(),
        };
        let len = usize::try_from(end).map_err(|_| io::ErrorKind::StorageFull)?;
        if len > self.cached.len() {
            self.cached.resize(len, 0);
        }
        write.apply(&mut self.cached, 0..u64::MAX);
        self.unsynced.push(write);
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cached.len(), 0);
        for write in self.unsynced.drain(..) {
            write.apply(&mut self.durable, 0..u64::MAX);
        }
    }

    /// A sync failed: of each sector, some state since the last sync is durable, and
    /// the rest of what was written never will be.
    pub(super) fn fail_to_sync(&mut self, random: &mut Random) {
        let writes = std::mem::take(&mut self.unsynced);
        self.durable.resize(self.surviving_len(random), 0);
        let sectors: BTreeSet<u64> = writes.iter().flat_map(Write::sectors).collect();
        let survival = Survival::draw(random, sectors.len());
        for (at, sector) in sectors.into_iter().enumerate() {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            let touching = writes.iter().filter(|w| w.sectors().contains(&sector));
            let all = touching.clone().count();
            let states = match survival {
                Survival::Some => random.up_to(all),
                Survival::None | Survival::All | Survival::First(_) => {
                    all * usize::from(survival.keeps(random, at))
                }
            };
            for write in touching.take(states) {
                write.apply(&mut self.durable, range.clone());
            }
        }
    }

    fn surviving_len(&self, random: &mut Random) -> usize {
        let (short, long) = (self.durable.len(), self.cached.len());
        let between = random.up_to(long.saturating_sub(short));
        match random.up_to(2) {
            0 => short,
            1 => long,
            _ => short + between - between % 512,
        }
    }
}

impl Write {
    fn sectors(&self) -> std::ops::Range<u64> {
        let end = self.offset + self.bytes.len() as u64;
        self.offset / SECTOR..end.div_ceil(SECTOR)
    }

    /// Copies the part of it that is within `range` and within `file`.
    fn apply(&self, file: &mut [u8], range: std::ops::Range<u64>) {
        let from = self.offset.max(range.start);
        let end = self.offset + self.bytes.len() as u64;
        let to = end.min(range.end).min(file.len() as u64);
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let Some(into) = file.get_mut(index(from)..index(to)) else {
            return;
        };
        let source = index(from - self.offset)..index(to.saturating_sub(self.offset));
        if let Some(source) = self.bytes.get(source) {
            into.copy_from_slice(source);
        }
    }
}
