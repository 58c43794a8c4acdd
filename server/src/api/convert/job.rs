//! Jobs on their way out.

use leaseq_engine::effect::{Grant, JobView};
use leaseq_engine::transition::{Content, End, JobState, Outcome};
use leaseq_proto::v1;

use super::leased::JOB_BYTES;
use super::text::id_text;
use super::time::timestamp;
use crate::api::fault::Invalid;
use crate::api::headers;
use crate::shard::WallOffset;

/// How many of these jobs fit a message of `bytes_max`: at least one, because a message without a
/// job would never get on.
pub(crate) fn fitting(grants: &[Grant], contents: &[Content], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fitting = grants.iter().zip(contents).take_while(|(grant, content)| {
        let outcome = grant.outcome.as_ref().map_or(0, |outcome| {
            outcome.error.len() + outcome.queue.as_str().len() + JOB_BYTES
        });
        bytes += content.headers.len() + content.payload.len() + JOB_BYTES + outcome;
        bytes <= bytes_max
    });
    fitting.count().max(contents.len().min(1))
}

/// What became of a job.
pub(crate) fn outcome(outcome: Outcome) -> v1::Outcome {
    let state = match outcome.end {
        End::Completed => v1::JobState::Completed,
        End::Dead => v1::JobState::Dead,
        End::Cancelled => v1::JobState::Cancelled,
    };
    v1::Outcome {
        job_id: id_text(outcome.job),
        queue: outcome.queue.as_str().to_owned(),
        state: state.into(),
        error: outcome.error.into(),
        attempts: outcome.attempts,
    }
}

/// A job as an operator sees it, without its content.
pub(crate) fn job(view: JobView, offset: WallOffset) -> v1::Job {
    v1::Job {
        id: id_text(view.id),
        queue: view.queue.as_str().to_owned(),
        state: wire_state(view.state).into(),
        priority: view.settings.priority,
        put_time: Some(timestamp(view.id.put_time(), offset)),
        ready_time: view.ready_time.map(|at| timestamp(at, offset)),
        expire_time: view.expire_time.map(|at| timestamp(at, offset)),
        attempts: view.attempts,
        max_attempts: view.settings.max_attempts,
        release_count: view.releases,
        last_error: view.error.into(),
        worker: view.worker.into(),
        progress: view.progress.into(),
        size_bytes: u64::from(view.size),
        reply_to: view
            .settings
            .reply_to
            .map(|queue| queue.as_str().to_owned())
            .unwrap_or_default(),
        cancel_requested: view.cancel_requested,
        payload: bytes::Bytes::new(),
        headers: std::collections::BTreeMap::new(),
        result: bytes::Bytes::new(),
        outcome: view.outcome.map(|outcome| self::outcome(*outcome)),
    }
}

/// A job as an operator sees it, with its content: of a completed one that is its result.
pub(crate) fn full_job(view: JobView, content: Option<Content>, offset: WallOffset) -> v1::Job {
    let completed = view.state == JobState::Completed;
    let mut job = job(view, offset);
    if let Some(content) = content {
        job.headers = headers::decode(content.headers);
        if completed {
            job.result = content.payload;
        } else {
            job.payload = content.payload;
        }
    }
    job
}

/// A state as the wire has it.
pub(crate) fn wire_state(state: JobState) -> v1::JobState {
    match state {
        JobState::Scheduled => v1::JobState::Scheduled,
        JobState::Ready => v1::JobState::Ready,
        JobState::Leased => v1::JobState::Leased,
        JobState::Completed => v1::JobState::Completed,
        JobState::Dead => v1::JobState::Dead,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

/// The state in `field`; `None`: not set.
///
/// # Errors
/// When this server knows no state of that number.
pub(crate) fn state(field: &str, wire: i32) -> Result<Option<JobState>, Invalid> {
    let known = v1::JobState::try_from(wire).map_err(|_| {
        Invalid::new(
            field,
            format!("is {wire}, which is not a JobState of this server"),
        )
    })?;
    Ok(match known {
        v1::JobState::Unspecified => None,
        v1::JobState::Scheduled => Some(JobState::Scheduled),
        v1::JobState::Ready => Some(JobState::Ready),
        v1::JobState::Leased => Some(JobState::Leased),
        v1::JobState::Completed => Some(JobState::Completed),
        v1::JobState::Dead => Some(JobState::Dead),
        v1::JobState::Cancelled => Some(JobState::Cancelled),
    })
}

#[cfg(test)]
mod tests {
    use leaseq_engine::id::{JobId, JobSeq, LeaseNumber, NamespaceTag, QueueName};
    use leaseq_engine::time::Time;

    use super::*;

    fn fit(sizes: &[usize], error: &str) -> usize {
        let content = |size: &usize| Content {
            payload: vec![0; *size].into(),
            ..Content::default()
        };
        let id = JobId::new(JobSeq(1), Time::from_millis(1), NamespaceTag::new(1));
        let outcome = Outcome {
            job: id,
            queue: QueueName::new("q").expect("a name"),
            end: End::Dead,
            error: error.into(),
            attempts: 1,
        };
        let grant = Grant {
            job: JobSeq(1),
            id,
            lease: LeaseNumber(1),
            attempt: 1,
            max_attempts: 1,
            priority: 0,
            run_time_max: None,
            outcome: (!error.is_empty()).then(|| Box::new(outcome)),
        };
        let contents: Vec<_> = sizes.iter().map(content).collect();
        fitting(&vec![grant; sizes.len()], &contents, 1000)
    }

    #[test]
    fn a_message_has_as_many_jobs_as_fit_and_at_least_one() {
        assert_eq!(fit(&[], ""), 0);
        assert_eq!(fit(&[5000], ""), 1);
        assert_eq!(fit(&[5000, 1], ""), 1);
        assert_eq!(fit(&[100, 100, 5000], ""), 2);
        assert_eq!(
            fit(&[1, 1], &"x".repeat(500)),
            1,
            "an outcome's error counts"
        );
    }

    #[test]
    fn every_state_goes_there_and_back() {
        for wire in 1..=6 {
            let state = state("state", wire).expect("known").expect("set");
            assert_eq!(i32::from(wire_state(state)), wire);
        }
        assert_eq!(state("state", 0), Ok(None));
        assert_eq!(state("state", 7).expect_err("unknown").field, "state");
    }
}
