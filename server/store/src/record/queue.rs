//! Queues.

use leaseq_engine::id::QueueName;

use super::error::{DecodeError, Fault};
use super::field::{Field, write_text};
use super::reader::Reader;

/// Text, and one that a queue can have as its name.
impl Field for QueueName {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self.as_str(), out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = from.offset();
        let name = from.text("queue name")?;
        let fault = Fault::QueueName;
        Self::new(name).map_err(|_| DecodeError { offset, fault })
    }
}
