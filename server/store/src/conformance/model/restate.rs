//! How the naive engine writes jobs again: untouched ones in runs.

use leaseq_engine::transition::{JobRestated, Sizes, Transition};

use super::{each, waiting};

/// Whether a job is as it was put: it can be restated together with others.
fn is_untouched(job: &JobRestated) -> bool {
    let untouched = JobRestated {
        attempts: 0,
        releases: 0,
        unheard: 0,
        error: Box::default(),
        cancel: None,
        outcome: None,
        status: waiting(job.settings.ready_time),
        ..job.clone()
    };
    *job == untouched
}

pub(super) fn restate(job: &JobRestated) -> Transition {
    if !is_untouched(job) {
        return Transition::JobRestated(Box::new(job.clone()));
    }
    Transition::JobsRestated {
        first: job.job,
        queue: job.queue,
        put_time: job.put_time,
        settings: job.settings.clone(),
        sizes: Sizes::Each(vec![job.size]),
    }
}

/// Whether `job` could be added to the run `last`; then it was.
pub(super) fn joins(last: Option<&mut Transition>, job: &JobRestated) -> bool {
    let Some(Transition::JobsRestated {
        first,
        queue,
        put_time,
        settings,
        sizes,
    }) = last
    else {
        return false;
    };
    let mut all = each(sizes);
    let fits = first.plus(all.len() as u64) == job.job
        && (*queue, *put_time) == (job.queue, job.put_time)
        && *settings == job.settings
        && is_untouched(job);
    if fits {
        all.push(job.size);
        *sizes = sizes_of(&all);
    }
    fits
}

/// Sizes in the form that an engine would give them.
pub(in crate::conformance) fn sizes_of(all: &[u32]) -> Sizes {
    match all.split_first() {
        Some((size, rest)) if rest.iter().all(|other| other == size) => Sizes::Uniform {
            count: u32::try_from(all.len()).unwrap_or(u32::MAX),
            size: *size,
        },
        Some(_) | None => Sizes::Each(all.into()),
    }
}
