//! What transitions mean to contents: the only thing a store knows of them.

use std::borrow::Cow;

use bytes::Bytes;
use leaseq_engine::id::JobSeq;
use leaseq_engine::transition::{Content, End, Sizes, Transition};

use super::index::{Index, Place};
use super::sizes::{BLOB_HEAD_BYTES, bytes_of};

/// What a transition means to the contents.
pub(super) enum Carried<'a> {
    Nothing,
    /// New jobs, with their contents.
    Added {
        first: JobSeq,
        sizes: Cow<'a, Sizes>,
        contents: &'a [Content],
    },
    /// Jobs that are written again: their contents are copied.
    Copied {
        first: JobSeq,
        sizes: Cow<'a, Sizes>,
    },
    /// A result that replaces the content of its job.
    Result {
        job: JobSeq,
        size: u32,
        result: &'a Bytes,
    },
    /// A job whose content cannot be read: an empty one takes its place.
    Lost {
        job: JobSeq,
    },
    /// Jobs whose contents are no longer needed: see `ended`.
    Ended,
}

impl Carried<'_> {
    /// Bytes it adds to the contents of its frame.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Nothing | Self::Ended => 0,
            Self::Added { sizes, .. } | Self::Copied { sizes, .. } => bytes_of(sizes),
            Self::Lost { .. } => u64::from(BLOB_HEAD_BYTES),
            Self::Result { size, .. } => u64::from(size + BLOB_HEAD_BYTES),
        }
    }
}

/// What `transition` means to the contents.
pub(super) fn carried(transition: &Transition) -> Carried<'_> {
    use Cow::{Borrowed, Owned};
    let single = |size| Owned(Sizes::Uniform { count: 1, size });
    match transition {
        Transition::JobsAdded {
            first,
            sizes,
            contents,
            ..
        } => Carried::Added {
            first: *first,
            sizes: Borrowed(sizes),
            contents,
        },
        Transition::OutcomeAdded {
            job, size, content, ..
        } => Carried::Added {
            first: *job,
            sizes: single(*size),
            contents: std::slice::from_ref(content),
        },
        Transition::JobsRestated { first, sizes, .. } => Carried::Copied {
            first: *first,
            sizes: Borrowed(sizes),
        },
        Transition::JobRestated(job) => Carried::Copied {
            first: job.job,
            sizes: single(job.size),
        },
        Transition::JobEnded {
            job,
            end,
            retain_until,
            result_size,
            result,
            ..
        } => match (end, retain_until) {
            (End::Completed, Some(_)) => Carried::Result {
                job: *job,
                size: *result_size,
                result,
            },
            (End::Completed | End::Cancelled, None) => Carried::Ended,
            (End::Dead, _) | (End::Cancelled, Some(_)) => Carried::Nothing,
        },
        Transition::ContentLost { job } => Carried::Lost { job: *job },
        Transition::JobsCompleted { .. } | Transition::JobsRemoved { .. } => Carried::Ended,
        Transition::NamespaceCreated { .. }
        | Transition::Stalled { .. }
        | Transition::ClocksRead { .. }
        | Transition::QueueSet { .. }
        | Transition::QueueDeleted { .. }
        | Transition::PutRemembered { .. }
        | Transition::LeasesGranted { .. }
        | Transition::LeaseExtended { .. }
        | Transition::JobRequeued { .. }
        | Transition::JobsRequeued { .. }
        | Transition::JobsReady { .. }
        | Transition::CancelRequested { .. }
        | Transition::CountersRestated { .. } => Carried::Nothing,
    }
}

/// How many of these transitions remember a Put.
pub(super) fn remembered_puts(transitions: &[Transition]) -> u64 {
    let is_put = |it: &&Transition| matches!(it, Transition::PutRemembered { .. });
    u64::try_from(transitions.iter().filter(is_put).count()).unwrap_or(u64::MAX)
}

/// Brings the index up to date with `transition`, whose contents begin at `place`, and
/// whose record has so many bytes. Gives where they end; `None` if that is too far for
/// any frame.
pub(super) fn note(
    index: &mut Index,
    ended: &mut Vec<(JobSeq, u64)>,
    transition: &Transition,
    place: Place,
    record: u32,
) -> Option<u32> {
    let carried = carried(transition);
    let end = place.at.checked_add(u32::try_from(carried.bytes()).ok()?)?;
    match carried {
        Carried::Nothing => {}
        Carried::Added { first, sizes, .. } | Carried::Copied { first, sizes } => {
            index.put(first, &sizes, place, record);
        }
        Carried::Result { job, size, .. } => index.replace(job, size, place),
        Carried::Lost { job } => index.replace(job, 0, place),
        Carried::Ended => add_ended(transition, ended),
    }
    Some(end)
}

/// The jobs that end with `transition`, as runs of consecutive ones.
fn add_ended(transition: &Transition, ended: &mut Vec<(JobSeq, u64)>) {
    let mut add = |job: JobSeq| match ended.last_mut() {
        Some((first, count)) if first.plus(*count) == job => *count += 1,
        Some(_) | None => ended.push((job, 1)),
    };
    if let Transition::JobsCompleted { leases } = transition {
        leases.iter().for_each(|lease| add(lease.job));
    } else if let Transition::JobsRemoved { jobs } = transition {
        jobs.iter().for_each(|job| add(*job));
    } else if let Transition::JobEnded { job, .. } = transition {
        add(*job);
    }
}
