//! Lists of jobs and of leases, as runs: jobs are put, leased and settled in
//! batches, so most lists are one run of consecutive numbers.
//!
//! A list is how many there are, then runs until there are that many. A run says
//! how far its first number is from the one that would have come next, and how
//! many more follow it.

use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef};

use super::JOBS_MAX;
use super::error::{DecodeError, Fault};
use super::field::{Field, write_varint, write_zigzag};
use super::id::NUMBER_MAX;
use super::reader::Reader;

/// A list is given this much room at once; more when its runs have been read.
const ROOM_AT_ONCE: usize = 1 << 10;

impl Field for Vec<JobSeq> {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        let mut next = 0;
        for run in self.chunk_by(|a, b| a.0 + 1 == b.0) {
            if let [first, ..] = run {
                next = write_start(first.0, next, run.len(), out);
                write_varint(run.len() as u64 - 1, out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = read_count(from)?;
        let mut jobs = Self::with_capacity(count.min(ROOM_AT_ONCE));
        let mut next = 0;
        while jobs.len() < count {
            let offset = from.offset();
            let first = read_start(from, next)?;
            let run = read_run(from, offset, count - jobs.len(), [first])?;
            jobs.extend((first..first + run).map(JobSeq));
            next = first + run;
        }
        Ok(jobs)
    }
}

impl Field for Vec<LeaseRef> {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        let (mut next_job, mut next_lease) = (0, 0);
        for run in self.chunk_by(|a, b| a.job.0 + 1 == b.job.0 && a.lease.0 + 1 == b.lease.0) {
            if let [first, ..] = run {
                next_job = write_start(first.job.0, next_job, run.len(), out);
                next_lease = write_start(first.lease.0, next_lease, run.len(), out);
                write_varint(run.len() as u64 - 1, out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = read_count(from)?;
        let mut leases = Self::with_capacity(count.min(ROOM_AT_ONCE));
        let (mut next_job, mut next_lease) = (0, 0);
        while leases.len() < count {
            let offset = from.offset();
            let job = read_start(from, next_job)?;
            let lease = read_start(from, next_lease)?;
            let run = read_run(from, offset, count - leases.len(), [job, lease])?;
            leases.extend((0..run).map(|place| LeaseRef {
                job: JobSeq(job + place),
                lease: LeaseNumber(lease + place),
            }));
            (next_job, next_lease) = (job + run, lease + run);
        }
        Ok(leases)
    }
}

/// Appends how many jobs a transition speaks of.
pub(super) fn write_count(count: usize, out: &mut Vec<u8>) {
    assert!(
        count <= JOBS_MAX,
        "{count} jobs in one transition cannot be read back"
    );
    write_varint(count as u64, out);
}

/// How many jobs a transition speaks of.
pub(super) fn read_count(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = from.varint_max("count of jobs", JOBS_MAX as u64)?;
    Ok(count as usize)
}

/// Appends the first number of a run of `length`; answers with the one after it.
fn write_start(first: u64, next: u64, length: usize, out: &mut Vec<u8>) -> u64 {
    let end = first + length as u64;
    assert!(
        end <= NUMBER_MAX + 1,
        "the number {end} cannot be read back"
    );
    write_zigzag(first.cast_signed() - next.cast_signed(), out);
    end
}

/// The first number of a run; `next` is the one after the run before.
fn read_start(from: &mut Reader<'_>, next: u64) -> Result<u64, DecodeError> {
    let what = "jobs or leases";
    let offset = from.offset();
    let distance = from.zigzag(what)?;
    let first = next.checked_add_signed(distance);
    first
        .filter(|first| *first <= NUMBER_MAX)
        .ok_or(DecodeError {
            offset,
            fault: Fault::Run { what },
        })
}

/// The length of a run that begins with the numbers `firsts`.
fn read_run<const N: usize>(
    from: &mut Reader<'_>,
    offset: usize,
    left: usize,
    firsts: [u64; N],
) -> Result<u64, DecodeError> {
    let what = "jobs or leases";
    let more = from.varint(what)?;
    let stays_within = |first: u64| more <= NUMBER_MAX - first;
    if more < left as u64 && firsts.into_iter().all(stays_within) {
        return Ok(more + 1);
    }
    let fault = Fault::Run { what };
    Err(DecodeError { offset, fault })
}
