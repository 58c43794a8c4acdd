//! Opening: which segments there are, and that their headers are right.

use super::segment::{self, FORMAT_VERSION, HeaderError, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::disk::{Disk, DiskFile};
use crate::seam::StoreError;

/// A segment file whose header is right.
pub(super) struct Opened<F> {
    pub(super) header: SegmentHeader,
    pub(super) file: F,
    pub(super) len: u64,
}

/// Opens every segment and checks their headers, before any of them is read.
pub(super) fn open_segments<D: Disk>(disk: &D) -> Result<Vec<Opened<D::File>>, StoreError> {
    let io = |action, name: &str| {
        let path = disk.path(name);
        move |source| StoreError::Io {
            action,
            path,
            source,
        }
    };
    let names = disk.list().map_err(io("cannot list", ""))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment::number(name))
        .collect();
    numbers.sort_unstable();
    let mut opened: Vec<Opened<D::File>> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let name = segment::name(number);
        let damaged = |what| StoreError::Damaged {
            path: disk.path(&name),
            offset: 0,
            what,
        };
        let before = opened.last().map(|segment| segment.header.number);
        if before.is_some_and(|before| before + 1 != number) {
            return Err(damaged(format!(
                "the segment before it, {}, is missing",
                number - 1
            )));
        }
        let file = disk.open(&name).map_err(io("cannot open", &name))?;
        let len = file.len().map_err(io("cannot read", &name))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        if len < bytes.len() as u64 {
            return Err(damaged("the file is too short for a segment".into()));
        }
        file.read_exact_at(&mut bytes, 0)
            .map_err(io("cannot read", &name))?;
        let header = SegmentHeader::decode(&bytes).map_err(|error| match error {
            HeaderError::Damaged => damaged("its first 64 bytes are not what was written".into()),
            HeaderError::Newer(found) => StoreError::Newer {
                path: disk.path(&name),
                found,
                known: FORMAT_VERSION,
            },
        })?;
        if header.number != number {
            return Err(damaged(format!("it says it is segment {}", header.number)));
        }
        // A file cut off between two batches looks whole but for this.
        if len < header.made_len {
            return Err(StoreError::Damaged {
                path: disk.path(&name),
                offset: len,
                what: format!(
                    "the file is shorter than it was made, {} bytes",
                    header.made_len
                ),
            });
        }
        opened.push(Opened { header, file, len });
    }
    Ok(opened)
}
