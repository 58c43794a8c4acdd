//! The layers of a call, outermost first, and why each is where it is.

use std::sync::Arc;

use tonic::service::Routes;
use tower::ServiceBuilder;

use super::{Parts, ServeError, health, reflection};
use crate::api::{Api, ServerFacts, roles};
use crate::auth::{AuthLayer, AuthService};
use crate::config::{Config, Reflection, StoreKind};
use crate::deadline::{DeadlineLayer, DeadlineService};
use crate::protocol::{ProtocolLayer, ProtocolService};
use crate::telemetry::{CallLayer, CallService, CatchPanicLayer, CatchPanicService};

/// All layers with the handlers inside.
pub(super) type Stack =
    CallService<CatchPanicService<ProtocolService<AuthService<DeadlineService<Routes>>>>>;

pub(super) fn build(parts: &Parts) -> Result<Stack, ServeError> {
    let config = &parts.config;
    let layers = ServiceBuilder::new()
        // First, so that every call is measured and logged, also one that is refused or panics.
        .layer(CallLayer::new(
            parts.metrics.clone(),
            config.limits.streams_per_connection_max,
        ))
        // Around everything that could have a bug; inside the figures, which see its answer.
        .layer(CatchPanicLayer::new(parts.metrics.clone()))
        // What is no gRPC call is answered before a key is asked for.
        .layer(ProtocolLayer::new(config.limits.header_bytes_max))
        // Nothing in front of it reads a byte of a stranger's body.
        .layer(AuthLayer::new(
            parts.keyring.clone(),
            roles::allowed,
            config.reflection,
            config.limits.unauthenticated_calls_max,
            parts.metrics.clone(),
        ))
        // Behind the keys, because the time depends on whether there was one.
        .layer(DeadlineLayer::new(&config.limits));
    Ok(layers.service(routes(parts)?))
}

fn routes(parts: &Parts) -> Result<Routes, ServeError> {
    let config = &parts.config;
    let limits = Arc::new(config.limits.clone());
    let api = Api::new(parts.shard.clone(), limits, facts(parts));
    let mut routes = Routes::new(health::service(parts.shard.watch()))
        .add_service(api.queue_service())
        .add_service(api.admin_service());
    if config.reflection != Reflection::Off {
        let reflection =
            reflection::service().map_err(|error| ServeError::Reflection(error.to_string()))?;
        routes = routes
            .add_service(reflection.clone())
            .add_service(reflection::Alpha(reflection));
    }
    Ok(routes.prepare())
}

fn facts(parts: &Parts) -> ServerFacts {
    let config = &parts.config;
    ServerFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: config.store.as_str().to_owned(),
        sync: sync_name(config),
        started: parts.started,
        auto_create_queues: config.auto_create_queues,
    }
}

/// When an answer is durable, as the API says it.
pub(crate) fn sync_name(config: &Config) -> String {
    match config.store {
        StoreKind::Memory => "never".to_owned(),
        StoreKind::Journal => config.sync.to_string(),
    }
}
