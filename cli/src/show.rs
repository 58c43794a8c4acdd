//! Queues and jobs as JSON and as facts for people. The JSON names are those of the API.

use std::collections::BTreeMap;
use std::time::SystemTime;

use leaseq_client::{JobInfo, LeasedJob, Outcome, QueueInfo, RetryPolicy};
use serde_json::{Map, Value, json};

use crate::output;
use crate::payload;

/// One queue with its settings and counts.
pub(crate) fn queue_json(queue: &QueueInfo) -> Value {
    let stats = &queue.stats;
    let settings = &queue.settings;
    json!({
        "name": queue.name,
        "paused": queue.paused,
        "lease_duration": settings.lease_duration.map(output::json_duration),
        "max_attempts": settings.max_attempts,
        "retry": settings.retry.as_ref().map(retry_json),
        "max_jobs": settings.max_jobs,
        "result_retention": settings.result_retention.map(output::json_duration),
        "create_time": queue.create_time.map(output::moment),
        "etag": queue.etag,
        "stats": {
            "scheduled_count": stats.scheduled,
            "ready_count": stats.ready,
            "leased_count": stats.leased,
            "completed_count": stats.completed,
            "dead_count": stats.dead,
            "cancelled_count": stats.cancelled,
            "size_bytes": stats.size_bytes,
            "oldest_ready_put_time": stats.oldest_ready_put_time.map(output::moment),
            "waiting_count": stats.waiting,
            "waiting_for_bytes_count": stats.waiting_for_bytes,
        },
    })
}

fn retry_json(retry: &RetryPolicy) -> Value {
    json!({
        "initial_delay": retry.initial_delay.map(output::json_duration),
        "max_delay": retry.max_delay.map(output::json_duration),
        "multiplier": retry.multiplier,
        "jitter": retry.jitter,
    })
}

/// One queue for people.
pub(crate) fn queue_facts(queue: &QueueInfo, now: SystemTime) -> String {
    let stats = &queue.stats;
    let settings = &queue.settings;
    let oldest = stats
        .oldest_ready_put_time
        .map_or_else(none, |time| output::age(time, now));
    output::facts(&[
        ("queue", queue.name.clone()),
        ("state", state_of(queue).to_owned()),
        ("ready", output::grouped(stats.ready)),
        ("scheduled", output::grouped(stats.scheduled)),
        ("leased", output::grouped(stats.leased)),
        ("dead", output::grouped(stats.dead)),
        ("completed", output::grouped(stats.completed)),
        ("cancelled", output::grouped(stats.cancelled)),
        ("size", output::bytes(stats.size_bytes)),
        ("oldest ready", oldest),
        ("waiting workers", output::grouped(stats.waiting)),
        (
            "waiting for bytes",
            output::grouped(stats.waiting_for_bytes),
        ),
        (
            "lease duration",
            settings.lease_duration.map_or_else(none, output::duration),
        ),
        ("max attempts", or_none(settings.max_attempts)),
        (
            "retry",
            settings.retry.as_ref().map_or_else(none, retry_words),
        ),
        ("max jobs", bound_words(settings.max_jobs)),
        (
            "result retention",
            settings
                .result_retention
                .filter(|retention| !retention.is_zero())
                .map_or_else(none, output::duration),
        ),
        (
            "created",
            queue.create_time.map_or_else(none, output::moment),
        ),
    ])
}

/// `active` or `paused`.
pub(crate) fn state_of(queue: &QueueInfo) -> &'static str {
    if queue.paused { "paused" } else { "active" }
}

fn bound_words(max_jobs: Option<u64>) -> String {
    match max_jobs {
        None | Some(0) => "no bound".to_owned(),
        Some(bound) => output::grouped(bound),
    }
}

fn retry_words(retry: &RetryPolicy) -> String {
    format!(
        "after {}, then {} times longer each, at most {}, jitter {}",
        retry.initial_delay.map_or_else(none, output::duration),
        or_none(retry.multiplier),
        retry.max_delay.map_or_else(none, output::duration),
        or_none(retry.jitter),
    )
}

/// A job of the server, with its payload if that was asked for.
pub(crate) fn job_json(job: &JobInfo, full: bool) -> Value {
    let mut object = object(json!({
        "id": job.id.as_str(),
        "queue": job.queue,
        "state": job.state.as_str(),
        "priority": job.priority,
        "put_time": job.put_time.map(output::moment),
        "ready_time": job.ready_time.map(output::moment),
        "expire_time": job.expire_time.map(output::moment),
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "release_count": job.release_count,
        "last_error": job.last_error,
        "worker": job.worker,
        "progress": job.progress,
        "size_bytes": job.size_bytes,
        "reply_to": job.reply_to,
        "cancel_requested": job.cancel_requested,
        "outcome": job.outcome.as_ref().map(outcome_json),
    }));
    if full {
        object.insert("headers".to_owned(), json!(job.headers));
        if job.state.is_ended() {
            payload::insert(&mut object, "result", &job.result);
        }
        if !job.state.is_ended() || !job.payload.is_empty() {
            payload::insert(&mut object, "payload", &job.payload);
        }
    }
    Value::Object(object)
}

/// A job of the server, for people. What it does not have is left out.
pub(crate) fn job_facts(job: &JobInfo, now: SystemTime) -> String {
    let ended = job.state.is_ended();
    let facts = [
        ("job", Some(job.id.to_string())),
        ("queue", Some(job.queue.clone())),
        ("state", Some(job_state_words(job))),
        (
            "attempts",
            Some(format!("{} of {}", job.attempts, job.max_attempts)),
        ),
        ("releases", released(job)),
        ("put", job.put_time.map(|time| past(time, now))),
        ("ready", job.ready_time.map(|time| future(time, now))),
        ("worker", job.worker.clone()),
        ("progress", job.progress.clone()),
        ("lease ends", job.expire_time.map(|time| future(time, now))),
        ("priority", Some(job.priority.to_string())),
        ("last error", job.last_error.clone()),
        ("reply to", job.reply_to.clone()),
        ("outcome of", job.outcome.as_ref().map(Outcome::to_string)),
        ("headers", headers_words(&job.headers)),
        ("size", Some(output::bytes(job.size_bytes))),
        ("payload", (!ended).then(|| payload::preview(&job.payload))),
        ("result", ended.then(|| payload::preview(&job.result))),
    ];
    present(facts)
}

fn released(job: &JobInfo) -> Option<String> {
    (job.release_count > 0).then(|| format!("{} in a row", job.release_count))
}

fn job_state_words(job: &JobInfo) -> String {
    if job.cancel_requested {
        format!("{}, asked to stop", job.state)
    } else {
        job.state.to_string()
    }
}

/// A leased job: everything its worker may want to know.
pub(crate) fn leased_json(queue: &str, job: &LeasedJob, expire_time: Option<SystemTime>) -> Value {
    let mut object = object(json!({
        "id": job.id(),
        "queue": queue,
        "attempt": job.attempt(),
        "max_attempts": job.max_attempts(),
        "fencing_number": job.fencing_number(),
        "priority": job.priority(),
        "put_time": job.put_time().map(output::moment),
        "headers": job.headers(),
        "outcome": job.outcome().as_ref().map(outcome_json),
        "lease_token": job.token().to_string(),
        "expire_time": expire_time.map(output::moment),
    }));
    payload::insert(&mut object, "payload", job.payload());
    Value::Object(object)
}

/// A leased job that its worker keeps, for people.
pub(crate) fn leased_facts(
    queue: &str,
    job: &LeasedJob,
    expire_time: Option<SystemTime>,
    now: SystemTime,
) -> String {
    present([
        ("job", Some(job.id().to_owned())),
        ("queue", Some(queue.to_owned())),
        (
            "attempt",
            Some(format!("{} of {}", job.attempt(), job.max_attempts())),
        ),
        ("fencing number", Some(job.fencing_number().to_string())),
        ("lease ends", expire_time.map(|time| future(time, now))),
        ("headers", headers_words(job.headers())),
        (
            "outcome of",
            job.outcome().map(|outcome| outcome.to_string()),
        ),
        ("payload", Some(payload::preview(job.payload()))),
        ("token", Some(job.token().to_string())),
    ])
}

/// How a job ended.
pub(crate) fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "job_id": outcome.job_id.as_str(),
        "queue": outcome.queue,
        "state": outcome.state.as_str(),
        "error": outcome.error,
        "attempts": outcome.attempts,
    })
}

fn headers_words(headers: &BTreeMap<String, String>) -> Option<String> {
    let mut words: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.sort();
    (!words.is_empty()).then(|| words.join(" "))
}

fn past(time: SystemTime, now: SystemTime) -> String {
    match output::age(time, now).as_str() {
        "now" => format!("{} (just now)", output::moment(time)),
        age => format!("{} ({age} ago)", output::moment(time)),
    }
}

fn future(time: SystemTime, now: SystemTime) -> String {
    // The ages are those of `past`, the other way round.
    match output::age(now, time).as_str() {
        "now" => format!("{} (now)", output::moment(time)),
        age => format!("{} (in {age})", output::moment(time)),
    }
}

fn present<const N: usize>(facts: [(&'static str, Option<String>); N]) -> String {
    let present: Vec<(&str, String)> = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    output::facts(&present)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn none() -> String {
    "-".to_owned()
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(none, |value| value.to_string())
}
