//! Any transition there can be, for property tests.

use bytes::Bytes;
use leaseq_engine::transition::{Content, End, JobRestated, Transition};
use proptest::option;
use proptest::prelude::*;

mod value;

use value::{
    content, contents, duration, end, holder, jobs, lease_number, lease_ref, leases, name,
    namespace_tag, number, outcome, put_jobs, queue, queue_settings, request_id, requeue, seq,
    settings, sizes, status, text, time, verdict,
};

/// Any transition, its sizes those of its contents, every kind as likely.
pub(crate) fn transition() -> impl Strategy<Value = Transition> {
    prop::strategy::Union::new([
        namespace_created().boxed(),
        stalled().boxed(),
        clocks_read().boxed(),
        queue_set().boxed(),
        queue_deleted().boxed(),
        jobs_added().boxed(),
        outcome_added().boxed(),
        put_remembered().boxed(),
        leases_granted().boxed(),
        lease_extended().boxed(),
        jobs_completed().boxed(),
        job_ended().boxed(),
        job_requeued().boxed(),
        jobs_requeued().boxed(),
        jobs_ready().boxed(),
        cancel_requested().boxed(),
        jobs_removed().boxed(),
        job_restated().boxed(),
        jobs_restated().boxed(),
        counters_restated().boxed(),
        content_lost().boxed(),
    ])
}

/// `transition` as it comes back from the store: without contents.
pub(crate) fn without_contents(mut transition: Transition) -> Transition {
    match &mut transition {
        Transition::JobsAdded { contents, .. } => *contents = Vec::new(),
        Transition::OutcomeAdded { content, .. } => *content = Content::default(),
        Transition::JobEnded { result, .. } => *result = Bytes::new(),
        Transition::NamespaceCreated { .. }
        | Transition::Stalled { .. }
        | Transition::ClocksRead { .. }
        | Transition::QueueSet { .. }
        | Transition::QueueDeleted { .. }
        | Transition::PutRemembered { .. }
        | Transition::LeasesGranted { .. }
        | Transition::LeaseExtended { .. }
        | Transition::JobsCompleted { .. }
        | Transition::JobRequeued { .. }
        | Transition::JobsRequeued { .. }
        | Transition::JobsReady { .. }
        | Transition::CancelRequested { .. }
        | Transition::JobsRemoved { .. }
        | Transition::JobRestated(_)
        | Transition::JobsRestated { .. }
        | Transition::ContentLost { .. }
        | Transition::CountersRestated { .. } => {}
    }
    transition
}

prop_compose! {
    fn namespace_created()(tag in namespace_tag(), token_key: [u8; 16]) -> Transition {
        Transition::NamespaceCreated { tag, token_key }
    }
}

prop_compose! {
    fn stalled()(by in duration()) -> Transition {
        Transition::Stalled { by }
    }
}

prop_compose! {
    fn clocks_read()(
        time in time(),
        wall in time(),
        running in duration(),
        boot: [u8; 16],
    ) -> Transition {
        Transition::ClocksRead { time, wall, running, boot }
    }
}

prop_compose! {
    fn queue_set()(
        queue in queue(),
        name in name(),
        settings in queue_settings(),
        paused: bool,
        revision in number(),
        create_time in time(),
    ) -> Transition {
        Transition::QueueSet { queue, name, settings, paused, revision, create_time }
    }
}

prop_compose! {
    fn content_lost()(job in seq()) -> Transition {
        Transition::ContentLost { job }
    }
}

prop_compose! {
    fn queue_deleted()(queue in queue()) -> Transition {
        Transition::QueueDeleted { queue }
    }
}

prop_compose! {
    fn jobs_added()(
        first in seq(),
        queue in queue(),
        put_time in time(),
        settings in settings(),
        (sizes, contents) in contents(),
    ) -> Transition {
        Transition::JobsAdded { first, queue, put_time, settings, sizes, contents }
    }
}

prop_compose! {
    fn outcome_added()(
        job in seq(),
        queue in queue(),
        put_time in time(),
        settings in settings(),
        outcome in outcome(),
        content in content(),
    ) -> Transition {
        let size = content.size();
        Transition::OutcomeAdded { job, queue, put_time, settings, outcome, size, content }
    }
}

prop_compose! {
    fn put_remembered()(
        request_id in request_id(),
        first in seq(),
        count: u32,
        jobs in put_jobs(),
        put_time in time(),
    ) -> Transition {
        Transition::PutRemembered { request_id, first, count, jobs, put_time }
    }
}

prop_compose! {
    fn leases_granted()(
        first_lease in lease_number(),
        jobs in jobs(),
        grant_time in time(),
        holder in holder(),
        lease_duration in duration(),
    ) -> Transition {
        Transition::LeasesGranted { first_lease, jobs, grant_time, holder, lease_duration }
    }
}

prop_compose! {
    fn lease_extended()(lease in lease_ref(), expire_time in time()) -> Transition {
        Transition::LeaseExtended { lease, expire_time }
    }
}

prop_compose! {
    fn jobs_completed()(leases in leases()) -> Transition {
        Transition::JobsCompleted { leases }
    }
}

prop_compose! {
    fn job_ended()(
        job in seq(),
        lease in option::of(lease_number()),
        verdict in option::of(verdict()),
        end in end(),
        error in text(),
        retain_until in option::of(time()),
        content in content(),
    ) -> Transition {
        let is_kept = end == End::Completed && retain_until.is_some();
        let result = if is_kept { content.payload } else { Bytes::new() };
        let result_size = result.len() as u32;
        Transition::JobEnded { job, lease, verdict, end, error, retain_until, result_size, result }
    }
}

prop_compose! {
    fn job_requeued()(
        job in seq(),
        lease in option::of(lease_number()),
        how in requeue(),
        attempts: u32,
        ready_time in option::of(time()),
        error in text(),
    ) -> Transition {
        Transition::JobRequeued { job, lease, how, attempts, ready_time, error }
    }
}

prop_compose! {
    fn jobs_requeued()(
        leases in leases(),
        how in requeue(),
        charged: bool,
        error in text(),
    ) -> Transition {
        Transition::JobsRequeued { leases, how, charged, error }
    }
}

prop_compose! {
    fn jobs_ready()(jobs in jobs()) -> Transition {
        Transition::JobsReady { jobs }
    }
}

prop_compose! {
    fn cancel_requested()(job in seq(), reason in text()) -> Transition {
        Transition::CancelRequested { job, reason }
    }
}

prop_compose! {
    fn jobs_removed()(jobs in jobs()) -> Transition {
        Transition::JobsRemoved { jobs }
    }
}

prop_compose! {
    fn job_restated()(
        (job, queue, put_time) in (seq(), queue(), time()),
        settings in settings(),
        (size, attempts, releases, unheard) in any::<(u32, u32, u32, u32)>(),
        error in text(),
        cancel in option::of(text()),
        outcome in option::of(outcome()),
        status in status(),
    ) -> Transition {
        Transition::JobRestated(Box::new(JobRestated {
            job, queue, put_time, settings, size, attempts, releases, unheard, error, cancel,
            outcome, status,
        }))
    }
}

prop_compose! {
    fn jobs_restated()(
        first in seq(),
        queue in queue(),
        put_time in time(),
        settings in settings(),
        sizes in sizes(),
    ) -> Transition {
        Transition::JobsRestated { first, queue, put_time, settings, sizes }
    }
}

prop_compose! {
    fn counters_restated()(
        next_job in seq(),
        next_lease in lease_number(),
        next_queue in queue(),
    ) -> Transition {
        Transition::CountersRestated { next_job, next_lease, next_queue }
    }
}
