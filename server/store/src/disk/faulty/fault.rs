//! Which operation fails, and how.

use std::io;

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Any operation: an I/O error. Nothing was done, except that a failed sync of a
    /// file may have made some of it durable, and the rest never will be: the next
    /// sync says Ok without it, as Linux does.
    Io,
    /// The same, of a sync of a file alone.
    FailedSync,
    /// A create or a write: there is no room. Nothing was done.
    NoSpace,
    /// A write: an I/O error after the first part of it.
    TornWrite,
    /// A read: there is no memory for it at the moment.
    BusyRead,
    /// A create or a remove: there is no memory for it at the moment. Nothing was done.
    BusyDirectory,
    /// Any operation: the power goes while it runs. Everything fails until `crash`
    /// says what is left.
    PowerCut,
}

impl Fault {
    fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Io | Self::PowerCut => true,
            Self::FailedSync => matches!(kind, Kind::Sync),
            Self::NoSpace => matches!(kind, Kind::Create | Kind::Write),
            Self::TornWrite => matches!(kind, Kind::Write),
            Self::BusyRead => matches!(kind, Kind::Read),
            Self::BusyDirectory => matches!(kind, Kind::Create | Kind::Remove),
        }
    }
}

/// How often each operation was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Operations {
    /// All of them.
    pub all: u64,
    /// Of `create`.
    pub creates: u64,
    /// Of `remove`.
    pub removes: u64,
    /// Of `sync_dir`.
    pub dir_syncs: u64,
    /// Of `read_exact_at`.
    pub reads: u64,
    /// Of `write_all_at`.
    pub writes: u64,
    /// Of `sync_data`.
    pub syncs: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// An operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Create,
    Open,
    List,
    Rename,
    Remove,
    SyncDir,
    Len,
    Read,
    Write,
    Sync,
}

impl Kind {
    /// Whether the disk may be another one afterwards.
    pub(super) fn changes(self) -> bool {
        match self {
            Self::Open | Self::List | Self::Len | Self::Read => false,
            Self::Create
            | Self::Rename
            | Self::Remove
            | Self::SyncDir
            | Self::Write
            | Self::Sync => true,
        }
    }
}

/// What becomes of an operation that is not refused at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is done.
    Done,
    /// A part of it is done, and it fails.
    Torn,
    /// It is done as far as nothing is durable yet; then the power goes.
    Cut,
}

impl Fate {
    /// The answer of an operation with this fate.
    pub(super) fn done<T>(self, value: T) -> io::Result<T> {
        match self {
            Self::Done => Ok(value),
            Self::Torn => Err(io_error()),
            Self::Cut => Err(io::Error::other("the power is off")),
        }
    }
}

#[derive(Clone, Debug)]
struct Planned {
    at: u64,
    fault: Fault,
    sticky: bool,
}

/// The faults to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) operations: Operations,
    planned: Vec<Planned>,
    happened: bool,
}

impl Faults {
    pub(super) fn plan(&mut self, n: u64, fault: Fault, sticky: bool) {
        self.planned.push(Planned {
            at: self.operations.all + n,
            fault,
            // Power does not come back by itself.
            sticky: sticky || fault == Fault::PowerCut,
        });
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
        self.happened = false;
    }

    pub(super) fn happened(&self) -> bool {
        self.happened
    }

    /// Counts an operation and says what becomes of it.
    pub(super) fn next(&mut self, kind: Kind) -> io::Result<Fate> {
        self.count(kind);
        let now = self.operations.all;
        let due = |planned: &Planned| planned.at <= now && planned.fault.fits(kind);
        let Some(index) = self.planned.iter().position(due) else {
            return Ok(Fate::Done);
        };
        let Some(planned) = self.planned.get(index).cloned() else {
            return Ok(Fate::Done);
        };
        if !planned.sticky {
            self.planned.remove(index);
        }
        let first = planned.at == now;
        self.happened = true;
        match planned.fault {
            Fault::Io if matches!(kind, Kind::Sync | Kind::SyncDir) => Ok(Fate::Torn),
            Fault::Io => Err(io_error()),
            Fault::BusyRead | Fault::BusyDirectory => Err(io::ErrorKind::OutOfMemory.into()),
            Fault::NoSpace => Err(io::ErrorKind::StorageFull.into()),
            Fault::TornWrite | Fault::FailedSync => Ok(Fate::Torn),
            Fault::PowerCut if first => Ok(Fate::Cut),
            Fault::PowerCut => Fate::Cut.done(Fate::Done),
        }
    }

    fn count(&mut self, kind: Kind) {
        let operations = &mut self.operations;
        operations.all += 1;
        match kind {
            Kind::Create => operations.creates += 1,
            Kind::Remove => operations.removes += 1,
            Kind::SyncDir => operations.dir_syncs += 1,
            Kind::Read => operations.reads += 1,
            Kind::Write => operations.writes += 1,
            Kind::Sync => operations.syncs += 1,
            Kind::Open | Kind::List | Kind::Rename | Kind::Len => {}
        }
    }
}

fn io_error() -> io::Error {
    io::Error::other("input/output error")
}
