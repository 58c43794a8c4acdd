//! The head record: which segment is the newest, so that a start notices when it is gone.
//!
//! A journal from which the newest segments were removed looks like a shorter one that is
//! whole. So the file `HEAD` says how far the journal is known to reach. It is written after
//! that is durable: it may say too little, after a crash, but never too much. Two places
//! are written in turn, so that one of them is right at any moment.

use std::io::{self, ErrorKind};

use super::Journal;
use super::segment::FORMAT_VERSION;
use crate::disk::{Disk, DiskFile};
use crate::seam::{Epoch, Loss, Position, StoreError};

/// The name of the file.
pub(super) const HEAD_NAME: &str = "HEAD";

/// The start of a record.
const MAGIC: [u8; 8] = *b"LEASEQ\0H";

/// Bytes of a record.
const RECORD_BYTES: usize = 64;

/// Each record has a sector of its own: a write that is torn leaves the other one.
const RECORD_PLACES: [u64; 2] = [0, 512];

const FILE_BYTES: u64 = 1024;

/// How far the journal reaches at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct HeadRecord {
    /// Goes up with each record; the highest one counts.
    generation: u64,
    /// The newest segment.
    pub(super) segment: u64,
    /// Every batch before this position was durable.
    pub(super) durable: Position,
    /// The epoch of the last start.
    pub(super) epoch: Epoch,
}

/// The open file and the record written last.
#[derive(Debug)]
pub(super) struct Head<F> {
    file: F,
    last: HeadRecord,
}

/// What stands in the place of a record.
enum Found {
    /// Nothing was written there yet.
    Nothing,
    Record(HeadRecord),
    /// A format of a newer program.
    Newer(u32),
    Damaged,
}

impl HeadRecord {
    fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut fields = Vec::with_capacity(RECORD_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        fields.extend_from_slice(&[0; 4]);
        fields.extend_from_slice(&self.generation.to_le_bytes());
        fields.extend_from_slice(&self.segment.to_le_bytes());
        fields.extend_from_slice(&self.durable.0.to_le_bytes());
        fields.extend_from_slice(&self.epoch.0.to_le_bytes());
        fields.resize(RECORD_BYTES - 4, 0);
        let crc = crc32c::crc32c(&fields);
        fields.extend_from_slice(&crc.to_le_bytes());
        let mut bytes = [0; RECORD_BYTES];
        bytes.copy_from_slice(&fields);
        bytes
    }

    fn decode(bytes: &[u8; RECORD_BYTES]) -> Found {
        if bytes.iter().all(|byte| *byte == 0) {
            return Found::Nothing;
        }
        let parse = || {
            let (fields, crc) = bytes.split_last_chunk::<4>()?;
            let (magic, rest) = fields.split_first_chunk::<8>()?;
            let (version, rest) = rest.split_first_chunk::<4>()?;
            let (_, rest) = rest.split_first_chunk::<4>()?;
            let (generation, rest) = rest.split_first_chunk::<8>()?;
            let (segment, rest) = rest.split_first_chunk::<8>()?;
            let (durable, rest) = rest.split_first_chunk::<8>()?;
            let (epoch, _) = rest.split_first_chunk::<8>()?;
            let right = *magic == MAGIC && u32::from_le_bytes(*crc) == crc32c::crc32c(fields);
            let record = Self {
                generation: u64::from_le_bytes(*generation),
                segment: u64::from_le_bytes(*segment),
                durable: Position(u64::from_le_bytes(*durable)),
                epoch: Epoch(u64::from_le_bytes(*epoch)),
            };
            right.then_some((u32::from_le_bytes(*version), record))
        };
        match parse() {
            Some((version, _)) if version > FORMAT_VERSION => Found::Newer(version),
            Some((1.., record)) => Found::Record(record),
            Some((0, _)) | None => Found::Damaged,
        }
    }
}

impl<D: Disk> Journal<D> {
    /// What `HEAD` says; `None` if no start has written one. Changes nothing.
    pub(super) fn read_head(&mut self) -> Result<Option<HeadRecord>, StoreError> {
        let file = match self.disk.open(HEAD_NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => self.checked("cannot open", HEAD_NAME, opened)?,
        };
        let (mut newest, mut damaged) = (None::<HeadRecord>, None);
        for place in RECORD_PLACES {
            let mut bytes = [0; RECORD_BYTES];
            match file.read_exact_at(&mut bytes, place) {
                // A kill has left a file that was never written.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => continue,
                read => self.checked("cannot read", HEAD_NAME, read)?,
            }
            match HeadRecord::decode(&bytes) {
                Found::Nothing => {}
                Found::Damaged => damaged = Some(place),
                Found::Record(record) => {
                    let is_newer = newest.is_none_or(|one| one.generation < record.generation);
                    newest = if is_newer { Some(record) } else { newest };
                }
                Found::Newer(found) => {
                    return Err(StoreError::Newer {
                        path: self.disk.path(HEAD_NAME),
                        found,
                        known: FORMAT_VERSION,
                    });
                }
            }
        }
        match (newest, damaged) {
            (None, Some(offset)) => Err(StoreError::Damaged {
                path: self.disk.path(HEAD_NAME),
                offset,
                what: "no record of how far the journal reached is left in it".into(),
            }),
            (newest, _) => Ok(newest),
        }
    }

    /// Opens `HEAD` for the records to come, or creates it. Without room for it the journal
    /// goes on, and the next segment tries again.
    pub(super) fn open_head(&mut self, last: Option<HeadRecord>) -> Result<(), StoreError> {
        let opened = match self.disk.open(HEAD_NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.disk.create(HEAD_NAME, FILE_BYTES)
            }
            opened => opened,
        };
        let last = last.unwrap_or_default();
        self.head = without_room(opened)
            .map(|file| file.map(|file| Head { file, last }))
            .or_else(|error| self.checked("cannot create", HEAD_NAME, Err(error)))?;
        Ok(())
    }

    /// Notes in `HEAD` what is durable now, and syncs it.
    pub(super) fn write_head(&mut self) -> Result<(), StoreError> {
        let segment = self.segments.back().map_or(0, |last| last.number);
        let (durable, epoch) = (self.durability.position(), self.epoch);
        if self.head.is_none() {
            self.open_head(None)?;
        }
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        let record = HeadRecord {
            generation: head.last.generation + 1,
            segment,
            durable,
            epoch,
        };
        let [even, odd] = RECORD_PLACES;
        let place = if record.generation.is_multiple_of(2) {
            even
        } else {
            odd
        };
        let written = head.file.write_all_at(&record.encode(), place);
        let written = without_room(written.and_then(|()| head.file.sync_data()));
        if matches!(written, Ok(Some(()))) {
            // Otherwise the next record goes to the same place: the other one is right.
            head.last = record;
        }
        self.checked("cannot write", HEAD_NAME, written)?;
        Ok(())
    }

    /// What is missing, by what `HEAD` says, of a journal that ends before `next`.
    pub(super) fn loss(&self, head: Option<HeadRecord>, next: Position) -> Option<Loss> {
        let newest = self.segments.back().map(|last| last.number);
        let head = head?;
        let whole = newest.unwrap_or(0) >= head.segment && next >= head.durable;
        (!whole).then_some(Loss {
            segment: head.segment,
            batches: head.durable,
            newest_found: newest,
            batches_found: next,
        })
    }
}

/// A record that is not written for want of room does no harm: the one before says less.
fn without_room<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_and_a_newer_damaged_or_missing_one_is_told_apart() {
        let record = HeadRecord {
            generation: 7,
            segment: 3,
            durable: Position(40),
            epoch: Epoch(2),
        };
        let good = record.encode();
        assert!(matches!(HeadRecord::decode(&good), Found::Record(found) if found == record));
        assert!(matches!(
            HeadRecord::decode(&[0; RECORD_BYTES]),
            Found::Nothing
        ));
        let mut newer = good;
        newer[8] = 2;
        let crc = crc32c::crc32c(&newer[..60]);
        newer[60..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(HeadRecord::decode(&newer), Found::Newer(2)));
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 0x10;
            assert!(
                matches!(HeadRecord::decode(&bad), Found::Damaged),
                "byte {at}"
            );
        }
    }
}
