//! Records that earlier versions wrote: they are read, and no more written.

use leaseq_engine::transition::{JobRestated, PutJobs, Transition};

use super::error::DecodeError;
use super::field::Field;
use super::reader::Reader;

/// A remembered Put without a hash of its jobs.
pub(super) fn put_remembered(body: &mut Reader<'_>) -> Result<Transition, DecodeError> {
    let request_id = Field::read(body)?;
    let queue = Field::read(body)?;
    let first = Field::read(body)?;
    let count = Field::read(body)?;
    let size = Field::read(body)?;
    Ok(Transition::PutRemembered {
        request_id,
        first,
        count,
        jobs: PutJobs::Size { queue, size },
        put_time: Field::read(body)?,
    })
}

/// The state of a job, without how often it came back uncounted.
pub(super) fn job_restated(body: &mut Reader<'_>) -> Result<Transition, DecodeError> {
    let restated = JobRestated {
        job: Field::read(body)?,
        queue: Field::read(body)?,
        put_time: Field::read(body)?,
        settings: Field::read(body)?,
        size: Field::read(body)?,
        attempts: Field::read(body)?,
        releases: 0,
        unheard: 0,
        error: Field::read(body)?,
        cancel: Field::read(body)?,
        outcome: Field::read(body)?,
        status: Field::read(body)?,
    };
    Ok(Transition::JobRestated(Box::new(restated)))
}
