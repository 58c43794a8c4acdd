//! The figures of the gRPC port: plain atomics, found once for each call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use tonic::Code;

use crate::shard::{DURATION_BUCKETS_MICROS, Histogram};

/// How many gRPC codes there are; they are numbered from 0.
pub(super) const CODES: usize = 17;

/// An enum that counts by its variants, with the label of each.
macro_rules! counted {
    ($(#[$meta:meta])* $name:ident::$text:ident {
        $($(#[$doc:meta])* $variant:ident = $label:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant),*
        }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) fn $text(self) -> &'static str {
                match self {
                    $(Self::$variant => $label),*
                }
            }
        }
    };
}

counted! {
    /// Why a call was not let in.
    AuthFailure::reason {
        /// It carried none.
        KeyMissing = "key_missing",
        /// Not one of this server's.
        KeyRejected = "key_rejected",
        /// A known key that may not do this.
        RoleMissing = "role_missing",
    }
}

counted! {
    /// A limit on connections, by its option.
    ConnectionLimit::key {
        /// All of them.
        Total = "limits.connections",
        /// Those from one address.
        PerAddress = "limits.connections_per_address",
        /// Those that have shown no key.
        Strangers = "limits.unauthenticated_connections",
        /// Those from one address that have shown no key.
        StrangersPerAddress = "limits.unauthenticated_connections_per_address",
        /// Those to the admin port.
        Admin = "limits.admin_connections",
        /// Those that the limit of open files leaves room for.
        OpenFiles = "nofile",
    }
}

counted! {
    /// Why the server ended a connection, or how it broke.
    ConnectionEnd::as_str {
        /// The handshake took too long.
        HandshakeTimeout = "handshake_timeout",
        /// The TLS handshake failed.
        TlsFailed = "tls_failed",
        /// It does not speak HTTP/2.
        NotHttp2 = "not_http2",
        /// No call was let in for too long.
        FirstRequestTimeout = "first_request_timeout",
        /// Its place went to another.
        Evicted = "evicted",
        /// It did not answer when asked whether it is alive.
        KeepaliveTimeout = "keepalive_timeout",
        /// It reset more calls than limits.abandoned_calls_per_second, pending_accept_resets or
        /// local_error_resets allow.
        TooManyResets = "too_many_resets",
        /// It broke, or broke the rules.
        Broken = "broken",
        /// It said nothing and went.
        Closed = "closed_early",
    }
}

/// The figures of the gRPC port. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GrpcMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    by_path: HashMap<String, usize>,
    /// The last one stands for all methods that do not exist.
    methods: Vec<Method>,
    auth_failures: [AtomicU64; AuthFailure::ALL.len()],
    refused: [AtomicU64; ConnectionLimit::ALL.len()],
    ended: [AtomicU64; ConnectionEnd::ALL.len()],
    accept_errors: AtomicU64,
    admin_accept_errors: AtomicU64,
    stalled: AtomicU64,
    connections: AtomicU64,
    strangers: AtomicU64,
    open_calls: AtomicU64,
    connections_full: AtomicU64,
    panics: AtomicU64,
}

/// The figures of one method.
#[derive(Debug)]
pub(crate) struct Method {
    /// `leaseq.v1.QueueService`.
    pub(super) service: String,
    /// `Put`.
    pub(super) name: String,
    /// `unary` and the like, as go-grpc-prometheus has it.
    pub(super) kind: &'static str,
    /// Whether it is a call of ours, not one that looks at the server from outside.
    pub(super) is_own: bool,
    /// Whether it changes what an operator is responsible for, or ends a job from outside.
    pub(super) is_audited: bool,
    pub(super) started: AtomicU64,
    pub(super) codes: [AtomicU64; CODES],
    pub(super) seconds: Histogram,
}

impl GrpcMetrics {
    pub(crate) fn new() -> Self {
        let mut methods = Vec::new();
        for set in [
            leaseq_proto::FILE_DESCRIPTOR_SET,
            leaseq_proto::health::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            methods.extend(methods_of(set));
        }
        let by_path = (0..)
            .zip(&methods)
            .map(|(at, method)| (format!("/{}/{}", method.service, method.name), at))
            .collect();
        methods.push(Method::new("unknown", "unknown", "unknown"));
        Self(Arc::new(Inner {
            by_path,
            methods,
            auth_failures: Default::default(),
            refused: Default::default(),
            ended: Default::default(),
            accept_errors: AtomicU64::default(),
            admin_accept_errors: AtomicU64::default(),
            stalled: AtomicU64::default(),
            connections: AtomicU64::default(),
            strangers: AtomicU64::default(),
            open_calls: AtomicU64::default(),
            connections_full: AtomicU64::default(),
            panics: AtomicU64::default(),
        }))
    }

    /// A call of the method at `path` begins.
    pub(super) fn begin(&self, path: &str) -> OpenCall {
        let last = self.0.methods.len() - 1;
        let at = self.0.by_path.get(path).copied().unwrap_or(last);
        let call = OpenCall {
            metrics: self.clone(),
            at,
        };
        call.method().started.fetch_add(1, Ordering::Relaxed);
        if call.method().is_own {
            self.0.open_calls.fetch_add(1, Ordering::Relaxed);
        }
        call
    }

    pub(crate) fn auth_failed(&self, why: AuthFailure) {
        add(&self.0.auth_failures, why as usize);
    }

    pub(crate) fn connection_refused(&self, limit: ConnectionLimit) {
        add(&self.0.refused, limit as usize);
    }

    pub(crate) fn connection_ended(&self, why: ConnectionEnd) {
        add(&self.0.ended, why as usize);
    }

    /// How often the operating system gave no connection to the gRPC port.
    pub(crate) fn accept_errors(&self) -> &AtomicU64 {
        &self.0.accept_errors
    }

    /// The same of the admin port.
    pub(crate) fn admin_accept_errors(&self) -> &AtomicU64 {
        &self.0.admin_accept_errors
    }

    /// A call was ended because its client took nothing of the answer.
    pub(crate) fn call_stalled(&self) {
        self.0.stalled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections there are, and how many of them are strangers.
    pub(crate) fn connections(&self, total: usize, strangers: usize) {
        self.0.connections.store(total as u64, Ordering::Relaxed);
        self.0.strangers.store(strangers as u64, Ordering::Relaxed);
    }

    /// A connection has as many calls open as it may.
    pub(super) fn connection_has_all_calls(&self) {
        self.0.connections_full.fetch_add(1, Ordering::Relaxed);
    }

    /// One of those has ended a call.
    pub(super) fn connection_has_room_again(&self) {
        self.0.connections_full.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many calls of the API are open; health and reflection do not count.
    pub(crate) fn open_calls(&self) -> u64 {
        self.0.open_calls.load(Ordering::Relaxed)
    }

    pub(super) fn methods(&self) -> &[Method] {
        &self.0.methods
    }

    pub(super) fn view(&self) -> View {
        let all = |counts: &[AtomicU64]| -> Vec<u64> {
            counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect()
        };
        View {
            auth_failures: all(&self.0.auth_failures),
            refused: all(&self.0.refused),
            ended: all(&self.0.ended),
            accept_errors: self.0.accept_errors.load(Ordering::Relaxed),
            admin_accept_errors: self.0.admin_accept_errors.load(Ordering::Relaxed),
            stalled: self.0.stalled.load(Ordering::Relaxed),
            connections: self.0.connections.load(Ordering::Relaxed),
            strangers: self.0.strangers.load(Ordering::Relaxed),
            open_calls: self.open_calls(),
            connections_full: self.0.connections_full.load(Ordering::Relaxed),
            panics: self.0.panics.load(Ordering::Relaxed),
        }
    }
}

/// The figures at one moment, in the order of the enums.
pub(super) struct View {
    pub(super) auth_failures: Vec<u64>,
    pub(super) refused: Vec<u64>,
    pub(super) ended: Vec<u64>,
    pub(super) accept_errors: u64,
    pub(super) admin_accept_errors: u64,
    pub(super) stalled: u64,
    pub(super) connections: u64,
    pub(super) strangers: u64,
    pub(super) open_calls: u64,
    pub(super) connections_full: u64,
    pub(super) panics: u64,
}

fn add(counts: &[AtomicU64], at: usize) {
    if let Some(count) = counts.get(at) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A call that has begun.
#[derive(Debug)]
pub(super) struct OpenCall {
    metrics: GrpcMetrics,
    at: usize,
}

impl OpenCall {
    pub(super) fn method(&self) -> &Method {
        &self.metrics.0.methods[self.at]
    }

    /// It has ended.
    pub(super) fn end(&self, code: Code, took: Duration) {
        let method = self.method();
        add(&method.codes, code as usize);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        method.seconds.record(micros, &DURATION_BUCKETS_MICROS);
        if method.is_own {
            self.metrics.0.open_calls.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Method {
    fn new(service: &str, name: &str, kind: &'static str) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            kind,
            is_own: service.starts_with("leaseq."),
            is_audited: name == "CancelJob"
                || service.ends_with("AdminService")
                    && !name.starts_with("Get")
                    && !name.starts_with("List"),
            started: AtomicU64::default(),
            codes: Default::default(),
            seconds: Histogram::default(),
        }
    }
}

fn methods_of(descriptor_set: &[u8]) -> Vec<Method> {
    let files = FileDescriptorSet::decode(descriptor_set)
        .unwrap_or_default()
        .file;
    let mut methods = Vec::new();
    for file in &files {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            let all = service.method.iter();
            methods.extend(all.map(|method| Method::new(&name, method.name(), kind(method))));
        }
    }
    methods
}

fn kind(method: &MethodDescriptorProto) -> &'static str {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_figures_and_the_unknown_ones_share_theirs() {
        let metrics = GrpcMetrics::new();
        let put = metrics.begin("/leaseq.v1.QueueService/Put");
        assert_eq!(
            (put.method().name.as_str(), put.method().kind),
            ("Put", "unary")
        );
        assert_eq!(
            metrics.begin("/leaseq.v1.QueueService/Lease").method().kind,
            "bidi_stream"
        );
        assert!(
            metrics
                .begin("/leaseq.v1.AdminService/PurgeJobs")
                .method()
                .is_audited
        );
        assert!(
            !metrics
                .begin("/leaseq.v1.AdminService/ListJobs")
                .method()
                .is_audited
        );
        let health = metrics.begin("/grpc.health.v1.Health/Watch");
        assert!(!health.method().is_own);
        let unknown = [metrics.begin("/made/up"), metrics.begin("/made/up-too")];
        assert!(unknown.iter().all(|call| call.method().name == "unknown"));
        assert_eq!(metrics.open_calls(), 4);
        put.end(Code::Ok, Duration::from_millis(1));
        assert_eq!(metrics.open_calls(), 3);
    }
}
