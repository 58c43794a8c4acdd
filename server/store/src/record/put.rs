//! What is remembered of a Put.

use leaseq_engine::id::JobsHash;
use leaseq_engine::transition::PutJobs;

use super::error::{DecodeError, Fault};
use super::field::Field;
use super::reader::Reader;

// Tags of `PutJobs`.
const HASH: u8 = 1;
const SIZE: u8 = 2;

impl Field for PutJobs {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hash(JobsHash(hash)) => {
                out.push(HASH);
                hash.write(out);
            }
            Self::Size { queue, size } => {
                out.push(SIZE);
                queue.write(out);
                size.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "mark of the jobs of a Put";
        match from.byte(what)? {
            HASH => Field::read(from).map(JobsHash).map(Self::Hash),
            SIZE => Ok(Self::Size {
                queue: Field::read(from)?,
                size: Field::read(from)?,
            }),
            tag => Err(from.fault_before(Fault::UnknownTag { what, tag })),
        }
    }
}
