//! What queues and jobs were told.

use std::time::Duration;

use leaseq_engine::settings::{JobSettings, QueueSettings, RetryPolicy};

use super::error::{DecodeError, Fault};
use super::field::Field;
use super::reader::Reader;

impl Field for RetryPolicy {
    fn write(&self, out: &mut Vec<u8>) {
        self.initial_delay.write(out);
        self.delay_max.write(out);
        self.multiplier_percent.write(out);
        self.jitter_percent.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            initial_delay: Field::read(from)?,
            delay_max: Field::read(from)?,
            multiplier_percent: Field::read(from)?,
            jitter_percent: Field::read(from)?,
        })
    }
}

impl Field for QueueSettings {
    fn write(&self, out: &mut Vec<u8>) {
        self.lease_duration.write(out);
        self.max_attempts.write(out);
        self.retry.write(out);
        self.jobs_max.write(out);
        self.result_retention.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            lease_duration: Field::read(from)?,
            max_attempts: Field::read(from)?,
            retry: Field::read(from)?,
            jobs_max: Field::read(from)?,
            result_retention: Field::read(from)?,
        })
    }
}

// Which settings of a job follow; those that do not have their usual value.
const HAS_PRIORITY: u8 = 1 << 0;
const HAS_READY_TIME: u8 = 1 << 1;
const HAS_MAX_ATTEMPTS: u8 = 1 << 2;
const HAS_RETRY: u8 = 1 << 3;
const HAS_REPLY_TO: u8 = 1 << 4;
const HAS_RUN_TIME_MAX: u8 = 1 << 5;
const HAS_RESULT_RETENTION: u8 = 1 << 6;
const KNOWN: u8 = (1 << 7) - 1;

/// The usual settings of a job. These values are part of the format: they stay
/// what they are even if the defaults of queues change.
const USUAL: JobSettings = JobSettings {
    priority: 0,
    ready_time: None,
    max_attempts: 20,
    retry: RetryPolicy {
        initial_delay: Duration::from_secs(1),
        delay_max: Duration::from_secs(3600),
        multiplier_percent: 200,
        jitter_percent: 20,
    },
    reply_to: None,
    run_time_max: None,
    result_retention: Duration::ZERO,
};

/// Flags, then what is not usual, in the order of the flags. Jobs with the usual
/// settings cost one byte.
impl Field for JobSettings {
    fn write(&self, out: &mut Vec<u8>) {
        let flags_at = out.len();
        out.push(0);
        let mut flags = 0;
        flags |= write_unusual(&self.priority, &USUAL.priority, HAS_PRIORITY, out);
        flags |= write_set(&self.ready_time, HAS_READY_TIME, out);
        flags |= write_unusual(
            &self.max_attempts,
            &USUAL.max_attempts,
            HAS_MAX_ATTEMPTS,
            out,
        );
        flags |= write_unusual(&self.retry, &USUAL.retry, HAS_RETRY, out);
        flags |= write_set(&self.reply_to, HAS_REPLY_TO, out);
        flags |= write_set(&self.run_time_max, HAS_RUN_TIME_MAX, out);
        let retention = &self.result_retention;
        flags |= write_unusual(
            retention,
            &USUAL.result_retention,
            HAS_RESULT_RETENTION,
            out,
        );
        if let Some(place) = out.get_mut(flags_at) {
            *place = flags;
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "job's settings";
        let flags = from.byte(what)?;
        if flags & !KNOWN != 0 {
            return Err(from.fault_before(Fault::UnknownFlags { what, flags }));
        }
        let has = |flag| flags & flag != 0;
        Ok(Self {
            priority: read_if(has(HAS_PRIORITY), from)?.unwrap_or(USUAL.priority),
            ready_time: read_if(has(HAS_READY_TIME), from)?,
            max_attempts: read_if(has(HAS_MAX_ATTEMPTS), from)?.unwrap_or(USUAL.max_attempts),
            retry: read_if(has(HAS_RETRY), from)?.unwrap_or(USUAL.retry),
            reply_to: read_if(has(HAS_REPLY_TO), from)?,
            run_time_max: read_if(has(HAS_RUN_TIME_MAX), from)?,
            result_retention: read_if(has(HAS_RESULT_RETENTION), from)?
                .unwrap_or(USUAL.result_retention),
        })
    }
}

/// Appends `value` unless it is the usual one; answers with the flag if it did.
fn write_unusual<T: Field + PartialEq>(value: &T, usual: &T, flag: u8, out: &mut Vec<u8>) -> u8 {
    if value == usual {
        return 0;
    }
    value.write(out);
    flag
}

/// Appends the value if there is one; answers with the flag if it did.
fn write_set<T: Field>(value: &Option<T>, flag: u8, out: &mut Vec<u8>) -> u8 {
    let Some(value) = value else { return 0 };
    value.write(out);
    flag
}

/// The next field, if it was written.
fn read_if<T: Field>(written: bool, from: &mut Reader<'_>) -> Result<Option<T>, DecodeError> {
    written.then(|| T::read(from)).transpose()
}
