//! The pages.

use std::fmt::Write;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use leaseq_engine::command::{Command, Read};
use leaseq_engine::effect::{QueueView, Reply};
use leaseq_engine::id::Scope;

use super::State;
use crate::api::convert::wide;
use crate::auth::Identity;
use crate::serve::sync_name;
use crate::shard::Condition;
use crate::telemetry::{Facts, scrape};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many queues are asked for at once, and how many are shown on the first page.
const QUEUES_PAGE: usize = 1_000;

/// The process is alive. Says nothing of the store: restarting would not mend it.
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Calls are answered.
pub(super) async fn readyz(Extract(state): Extract<Arc<State>>) -> Response {
    let condition = state.shard.condition();
    let code = if condition == Condition::Serving {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, format!("{}\n", condition_name(&condition))).into_response()
}

pub(super) async fn metrics(
    Extract(state): Extract<Arc<State>>,
    viewer: Option<Extension<Identity>>,
) -> Response {
    let queues = queues(&state, &scope(viewer), usize::MAX).await;
    let config = &state.config;
    let text = scrape(Facts {
        version: env!("CARGO_PKG_VERSION"),
        store: config.store.as_str(),
        sync: sync_name(config),
        condition: condition_name(&state.shard.condition()),
        uptime: state.started.elapsed(),
        now: state.shard.now(),
        shard: state.shard.clone(),
        grpc: state.metrics.clone(),
        unread_bytes: wide(state.credits.used()),
        queues,
        queues_max: config.metrics.queues_max,
        request_id_window: config.limits.request_id_window,
        limits: config.numbers(),
    });
    ([(CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

/// A page for people, as text: nothing in it can be taken for markup.
pub(super) async fn index(
    Extract(state): Extract<Arc<State>>,
    viewer: Option<Extension<Identity>>,
) -> Response {
    let queues = queues(&state, &scope(viewer), QUEUES_PAGE).await;
    let mut text = format!(
        "leaseq {} is {}\nstore {}, sync {}\n\n/metrics  OpenMetrics, for Prometheus\n\
         /healthz  the process is alive\n/readyz   calls are answered\n\n",
        env!("CARGO_PKG_VERSION"),
        condition_name(&state.shard.condition()),
        state.config.store.as_str(),
        sync_name(&state.config),
    );
    write_queues(&mut text, &queues);
    text.into_response()
}

fn write_queues(text: &mut String, queues: &[QueueView]) {
    if queues.is_empty() {
        text.push_str("no queues\n");
        return;
    }
    let width = queues
        .iter()
        .map(|queue| queue.name.as_str().len())
        .max()
        .unwrap_or(0)
        .max(5);
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{:width$} {:>12} {:>12} {:>12} {:>12} {:>8}",
        "queue", "ready", "scheduled", "leased", "dead", "waiting"
    );
    for queue in queues {
        let counts = &queue.counts;
        let _ = writeln!(
            text,
            "{:width$} {:>12} {:>12} {:>12} {:>12} {:>8}{}",
            queue.name.as_str(),
            counts.ready,
            counts.scheduled,
            counts.leased,
            counts.dead,
            queue.waiting,
            if queue.paused { "  paused" } else { "" },
        );
    }
}

/// The queues that are shown: those of the key, all where none is asked for.
fn scope(viewer: Option<Extension<Identity>>) -> Scope {
    viewer.map_or(Scope::All, |Extension(identity)| identity.scope().clone())
}

/// The queues by name, at most so many; none while the shard does not answer.
async fn queues(state: &State, scope: &Scope, queues_max: usize) -> Vec<QueueView> {
    let mut all: Vec<QueueView> = Vec::new();
    while all.len() < queues_max {
        let read = Read::Queues {
            after: all.last().map(|queue| queue.name.clone()),
            queues_max: QUEUES_PAGE.min(queues_max - all.len()),
        };
        let asked = state.shard.call(|ticket| Command::Read {
            ticket,
            scope: scope.clone(),
            read,
        });
        match asked.await.map(|answer| answer.reply) {
            Ok(Reply::Queues { queues, more }) => {
                let more = more && !queues.is_empty();
                all.extend(queues);
                if !more {
                    break;
                }
            }
            Ok(_) | Err(_) => break,
        }
    }
    all
}

fn condition_name(condition: &Condition) -> &'static str {
    match condition {
        Condition::Recovering => "recovering",
        Condition::Serving => "serving",
        Condition::Draining => "draining",
        Condition::Stopped => "stopped",
        Condition::Failed(_) => "failed",
    }
}
