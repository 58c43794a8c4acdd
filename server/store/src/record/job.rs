//! Jobs: the sizes of what they carry, and their whole state.

use leaseq_engine::transition::{JobRestated, Sizes, Status};

use super::error::{DecodeError, Fault};
use super::field::Field;
use super::reader::Reader;
use super::run::{read_count, write_count};

// Tags of `Sizes`.
const UNIFORM: u8 = 1;
const EACH: u8 = 2;

impl Field for Sizes {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uniform { count, size } => {
                out.push(UNIFORM);
                write_count(*count as usize, out);
                size.write(out);
            }
            Self::Each(sizes) => {
                out.push(EACH);
                write_count(sizes.len(), out);
                sizes.iter().for_each(|size| size.write(out));
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "list of sizes";
        match from.byte(what)? {
            UNIFORM => Ok(Self::Uniform {
                count: read_count(from)? as u32,
                size: Field::read(from)?,
            }),
            EACH => {
                let count = read_count(from)?;
                // A size takes a byte at least: no more room than there are bytes.
                let mut sizes = Vec::with_capacity(count.min(from.remaining()));
                for _ in 0..count {
                    sizes.push(Field::read(from)?);
                }
                Ok(Self::Each(sizes))
            }
            tag => Err(from.fault_before(Fault::UnknownTag { what, tag })),
        }
    }
}

// Tags of `Status`.
const SCHEDULED: u8 = 1;
const READY: u8 = 2;
const LEASED: u8 = 3;
const ENDED: u8 = 4;
const LEASED_AND_HEARD: u8 = 5;

impl Field for Status {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scheduled { ready_time } => {
                out.push(SCHEDULED);
                ready_time.write(out);
            }
            Self::Ready => out.push(READY),
            Self::Leased {
                lease,
                grant_time,
                lease_duration,
                expire_time,
                holder,
                heard,
            } => {
                out.push(if *heard { LEASED_AND_HEARD } else { LEASED });
                lease.write(out);
                grant_time.write(out);
                lease_duration.write(out);
                expire_time.write(out);
                holder.write(out);
            }
            Self::Ended { end, retain_until } => {
                out.push(ENDED);
                end.write(out);
                retain_until.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "status of a job";
        match from.byte(what)? {
            SCHEDULED => Ok(Self::Scheduled {
                ready_time: Field::read(from)?,
            }),
            READY => Ok(Self::Ready),
            tag @ (LEASED | LEASED_AND_HEARD) => Ok(Self::Leased {
                lease: Field::read(from)?,
                grant_time: Field::read(from)?,
                lease_duration: Field::read(from)?,
                expire_time: Field::read(from)?,
                holder: Field::read(from)?,
                heard: tag == LEASED_AND_HEARD,
            }),
            ENDED => Ok(Self::Ended {
                end: Field::read(from)?,
                retain_until: Field::read(from)?,
            }),
            tag => Err(from.fault_before(Fault::UnknownTag { what, tag })),
        }
    }
}

impl Field for JobRestated {
    fn write(&self, out: &mut Vec<u8>) {
        self.job.write(out);
        self.queue.write(out);
        self.put_time.write(out);
        self.settings.write(out);
        self.size.write(out);
        self.attempts.write(out);
        self.releases.write(out);
        self.unheard.write(out);
        self.error.write(out);
        self.cancel.write(out);
        self.outcome.write(out);
        self.status.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: Field::read(from)?,
            queue: Field::read(from)?,
            put_time: Field::read(from)?,
            settings: Field::read(from)?,
            size: Field::read(from)?,
            attempts: Field::read(from)?,
            releases: Field::read(from)?,
            unheard: Field::read(from)?,
            error: Field::read(from)?,
            cancel: Field::read(from)?,
            outcome: Field::read(from)?,
            status: Field::read(from)?,
        })
    }
}
