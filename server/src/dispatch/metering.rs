//! Charges the answers of a service to the connections they go to.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::metered::{Metered, Shortage};
use crate::api::status::limit_reached;
use crate::credit::{Credit, NoCredit};
use crate::listener::Standing;

/// Marks an answer whose jobs are taken back if it is not sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenBack;

/// Calls that change nothing.
const READS: [&str; 8] = [
    "Get",
    "GetJob",
    "GetQueue",
    "GetServerInfo",
    "ListJobs",
    "ListQueues",
    "WaitJob",
    "WaitQueue",
];

/// A service whose answers are metered.
#[derive(Clone, Debug)]
pub(crate) struct Metering<S>(pub(crate) S);

impl<S: NamedService> NamedService for Metering<S> {
    const NAME: &'static str = S::NAME;
}

/// What happens to this call when there is no credit for its answer.
fn shortage(path: &str) -> Shortage {
    match path.rsplit('/').next() {
        Some("Lease" | "PutStream") => Shortage::Wait,
        Some(method) if READS.contains(&method) => Shortage::Refuse,
        _ => Shortage::Exceed,
    }
}

/// Whether the call may begin. Calls that change something ask only for the credit of their own
/// connection: a shortage that others have made must not keep workers from settling.
fn may_begin(credit: &Credit, shortage: Shortage) -> Result<(), NoCredit> {
    match shortage {
        Shortage::Refuse => credit.left(),
        Shortage::Exceed | Shortage::Wait => credit.of_connection(),
    }
}

impl<S, B> Service<Request<B>> for Metering<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = MeteringFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let credit = request.extensions().get::<Standing>().map(Standing::credit);
        let path = request.uri().path();
        let (get, shortage) = (path.ends_with("/Get"), shortage(path));
        let begins = credit
            .as_ref()
            .map_or(Ok(()), |credit| may_begin(credit, shortage));
        match begins {
            Ok(()) => MeteringFuture::Call {
                call: self.0.call(request),
                credit,
                shortage,
                get,
            },
            Err(limit) => MeteringFuture::Refused(Some(limit)),
        }
    }
}

/// The answer of a [`Metering`].
pub(crate) enum MeteringFuture<F> {
    Call {
        call: F,
        credit: Option<Credit>,
        shortage: Shortage,
        get: bool,
    },
    Refused(Option<NoCredit>),
}

impl<F> Future for MeteringFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (call, credit, shortage, get) = match &mut *self {
            Self::Call {
                call,
                credit,
                shortage,
                get,
            } => (call, credit, *shortage, *get),
            Self::Refused(limit) => {
                let refused = limit.take().map(|limit| limit_reached(limit).into_http());
                return Poll::Ready(Ok(refused.unwrap_or_default()));
            }
        };
        let Ok(response) = ready!(Pin::new(call).poll(cx));
        let Some(credit) = credit.take() else {
            return Poll::Ready(Ok(response));
        };
        // Jobs that were completed with the answer cannot be taken back.
        let final_get = get && response.extensions().get::<TakenBack>().is_none();
        let shortage = if final_get {
            Shortage::Exceed
        } else {
            shortage
        };
        Poll::Ready(Ok(
            response.map(|body| Body::new(Metered::new(body, credit, shortage)))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_never_refused_after_the_fact() {
        for change in ["Put", "Settle", "Extend", "CancelJob", "PurgeJobs"] {
            let path = format!("/leaseq.v1.QueueService/{change}");
            assert_eq!(shortage(&path), Shortage::Exceed, "{change}");
        }
        assert_eq!(shortage("/leaseq.v1.QueueService/Lease"), Shortage::Wait);
        let list = shortage("/leaseq.v1.AdminService/ListJobs");
        assert_eq!(list, Shortage::Refuse);
    }
}
