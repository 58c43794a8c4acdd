//! The layers of a call, outermost first, and why each is where it is.

use std::sync::Arc;

use tonic::service::Routes;
use tower::ServiceBuilder;

use super::{Parts, ServeError, health};
use crate::api::{Api, ServerFacts, roles};
use crate::auth::{AuthLayer, AuthService};
use crate::config::{Config, Reflection, StoreKind};
use crate::telemetry::{CallLayer, CallService, CatchPanicLayer, CatchPanicService};

/// All layers with the handlers inside.
pub(super) type Stack = CallService<CatchPanicService<AuthService<Routes>>>;

pub(super) fn build(parts: &Parts) -> Result<Stack, ServeError> {
    let config = &parts.config;
    let layers = ServiceBuilder::new()
        // First, so that every call is measured and logged, also one that is refused or panics.
        .layer(CallLayer::new(parts.metrics.clone()))
        // Around everything that could have a bug; inside the figures, which see its answer.
        .layer(CatchPanicLayer::new(parts.metrics.clone()))
        // Last before the handlers: nothing behind it reads a byte of a stranger's body.
        .layer(AuthLayer::new(
            parts.keyring.clone(),
            roles::allowed,
            config.reflection,
            parts.metrics.clone(),
        ));
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
        let refused =
            |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
        // Older tools know v1alpha only.
        routes = routes
            .add_service(reflection().build_v1().map_err(refused)?)
            .add_service(reflection().build_v1alpha().map_err(refused)?);
    }
    Ok(routes.prepare())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(leaseq_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(leaseq_proto::health::FILE_DESCRIPTOR_SET)
        // The details of errors, so that tools can print them.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
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
