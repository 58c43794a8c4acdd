//! The numbers and ids of jobs, leases, queues, Puts and namespaces.

use leaseq_engine::id::{JobId, JobSeq, LeaseNumber, LeaseRef, NamespaceTag, QueueId, RequestId};

use super::error::{DecodeError, Fault};
use super::field::{Field, write_varint};
use super::reader::Reader;

/// No job and no lease has a larger number, so that adding a count of jobs to one
/// that was read cannot overflow. A million a second last for 2,000 years.
pub(super) const NUMBER_MAX: u64 = JobId::SEQ_MAX;

/// Appends the number of a job or of a lease.
fn write_number(number: u64, out: &mut Vec<u8>) {
    assert!(
        number <= NUMBER_MAX,
        "the number {number} cannot be read back"
    );
    write_varint(number, out);
}

impl Field for JobSeq {
    fn write(&self, out: &mut Vec<u8>) {
        write_number(self.0, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.varint_max("job number", NUMBER_MAX).map(Self)
    }
}

impl Field for LeaseNumber {
    fn write(&self, out: &mut Vec<u8>) {
        write_number(self.0, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.varint_max("lease number", NUMBER_MAX).map(Self)
    }
}

impl Field for LeaseRef {
    fn write(&self, out: &mut Vec<u8>) {
        self.job.write(out);
        self.lease.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: Field::read(from)?,
            lease: Field::read(from)?,
        })
    }
}

impl Field for QueueId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u32::read(from).map(Self)
    }
}

/// The eighteen bits as a number.
impl Field for NamespaceTag {
    fn write(&self, out: &mut Vec<u8>) {
        self.bits().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let max = Self::new(u32::MAX).bits();
        let bits = from.varint_max("namespace tag", u64::from(max))?;
        Ok(Self::new(bits as u32))
    }
}

/// Sixteen bytes, the highest first, as those of a UUID.
impl Field for RequestId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.to_be_bytes().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Field::read(from).map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

/// The sixteen bytes of the UUID in their usual order.
impl Field for JobId {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_u128().to_be_bytes().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = from.offset();
        let bits = u128::from_be_bytes(Field::read(from)?);
        let fault = Fault::JobId;
        Self::from_u128(bits).ok_or(DecodeError { offset, fault })
    }
}
