//! The layer that lets calls in or answers them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::answer;
use super::identity::{Access, Identity};
use super::keyring::Keyring;
use crate::api::status::limit_reached;
use crate::config::Reflection;
use crate::listener::{OpenCall, Standing};
use crate::telemetry::{AuthFailure, GrpcMetrics};

const HEALTH: &str = "/grpc.health.v1.Health/";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Says which roles the method of a path needs; closed for methods it does not know.
pub(crate) type Gate = fn(path: &str, identity: &Identity) -> Access;

/// Lets calls with a known key and the right role in, and no others.
#[derive(Clone)]
pub(crate) struct AuthLayer {
    keyring: Keyring,
    gate: Gate,
    reflection: Reflection,
    open_calls_max: usize,
    metrics: GrpcMetrics,
}

impl AuthLayer {
    /// A layer that asks `keyring` who calls and `gate` what that one may do.
    #[must_use]
    pub(crate) fn new(
        keyring: Keyring,
        gate: Gate,
        reflection: Reflection,
        open_calls_max: usize,
        metrics: GrpcMetrics,
    ) -> Self {
        Self {
            keyring,
            gate,
            reflection,
            open_calls_max,
            metrics,
        }
    }

    /// The caller, or the answer. Reads the head only.
    fn admit<B>(&self, request: &Request<B>) -> Result<Admitted, Refused> {
        let path = request.uri().path();
        let standing = request.extensions().get::<Standing>();
        let reflection = REFLECTION.iter().any(|service| path.starts_with(service));
        let open = path.starts_with(HEALTH) || (reflection && self.reflection == Reflection::Open);
        if open {
            let open_call = standing.map(|standing| standing.open_call(self.open_calls_max));
            return match open_call.transpose() {
                Ok(open_call) => Ok(Admitted::Open(open_call)),
                Err(limit) => Err(limit_reached(limit).into()),
            };
        }
        let identity = self.identify(request.headers())?;
        standing.inspect(|standing| standing.authenticate());
        let access = match self.reflection {
            Reflection::Auth if reflection => Access::Allowed,
            _ => (self.gate)(path, &identity),
        };
        let status = match access {
            Access::Allowed => return Ok(Admitted::Known(identity)),
            Access::RoleMissing(roles) => {
                self.metrics.auth_failed(AuthFailure::RoleMissing);
                answer::role_missing(identity.key_name(), roles)
            }
            Access::UnknownMethod => answer::method_unknown(),
        };
        Err(Refused {
            status,
            identity: Some(identity),
        })
    }

    fn identify(&self, headers: &HeaderMap) -> Result<Identity, Refused> {
        if let Some(anyone) = self.keyring.anyone() {
            return Ok(anyone);
        }
        let Some(key) = presented_key(headers) else {
            self.metrics.auth_failed(AuthFailure::KeyMissing);
            return Err(answer::key_missing().into());
        };
        self.keyring.identify(key, SystemTime::now()).map_err(|_| {
            self.metrics.auth_failed(AuthFailure::KeyRejected);
            answer::key_rejected().into()
        })
    }
}

/// A call that is let in.
enum Admitted {
    /// It needs no key. The place it takes among such calls; `None`: outside of a connection.
    Open(Option<OpenCall>),
    /// With the key of this caller.
    Known(Identity),
}

struct Refused {
    status: Status,
    identity: Option<Identity>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self {
            status,
            identity: None,
        }
    }
}

/// `authkey: <key>`, or `authorization: Bearer <key>`.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("authkey") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then_some(key.trim_ascii())
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            auth: self.clone(),
        }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Clone)]
pub(crate) struct AuthService<S> {
    inner: S,
    auth: AuthLayer,
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AuthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.auth.admit(&request) {
            Ok(Admitted::Known(identity)) => {
                request.extensions_mut().insert(identity.clone());
                AuthFuture {
                    state: State::Admitted(self.inner.call(request)),
                    identity: Some(identity),
                    open_call: None,
                }
            }
            // The handlers of open methods do not ask for an identity.
            Ok(Admitted::Open(open_call)) => AuthFuture {
                state: State::Admitted(self.inner.call(request)),
                identity: None,
                open_call,
            },
            Err(refused) => AuthFuture {
                state: State::Refused(Some(refused.status.into_http())),
                identity: refused.identity,
                open_call: None,
            },
        }
    }
}

/// The answer of an [`AuthService`].
pub(crate) struct AuthFuture<F> {
    state: State<F>,
    identity: Option<Identity>,
    open_call: Option<OpenCall>,
}

enum State<F> {
    Admitted(F),
    Refused(Option<Response<Body>>),
}

impl<F> Future for AuthFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.state {
            State::Admitted(future) => std::task::ready!(Pin::new(future).poll(cx)),
            State::Refused(response) => Ok(response.take().unwrap_or_default()),
        };
        let (identity, open_call) = (self.identity.take(), self.open_call.take());
        Poll::Ready(response.map(|mut response| {
            // For the log line of the call, which is written further out.
            if let Some(identity) = identity {
                response.extensions_mut().insert(identity);
            }
            match open_call {
                Some(open_call) => response.map(|body| open_call.with(body)),
                None => response,
            }
        }))
    }
}
