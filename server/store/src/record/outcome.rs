//! How jobs end, and what is told of it.

use leaseq_engine::transition::{End, Outcome};

use super::error::DecodeError;
use super::field::{Field, tagged};
use super::reader::Reader;

tagged!(End, "end of a job" {
    1 Completed,
    2 Dead,
    3 Cancelled,
});

impl Field for Outcome {
    fn write(&self, out: &mut Vec<u8>) {
        self.job.write(out);
        self.queue.write(out);
        self.end.write(out);
        self.error.write(out);
        self.attempts.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: Field::read(from)?,
            queue: Field::read(from)?,
            end: Field::read(from)?,
            error: Field::read(from)?,
            attempts: Field::read(from)?,
        })
    }
}
