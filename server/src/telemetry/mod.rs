//! What can be seen from outside: log lines, metrics, a span for each call.
//!
//! Payloads, results and keys never get here. Names of queues and keys do; both are
//! plain ASCII, and everything else that comes from outside is written escaped.

mod audited;
mod call;
mod catch_panic;
mod grpc;
mod labels;
mod log;
mod minute;
mod names;
mod queue_row;
mod refusals;
mod scrape;
mod sheet;
mod throttle;

pub(crate) use audited::Audited;
pub(crate) use call::{CallLayer, CallService};
pub(crate) use catch_panic::{CatchPanicLayer, CatchPanicService};
pub(crate) use grpc::{AuthFailure, ConnectionEnd, ConnectionLimit, GrpcMetrics};
pub use log::{LogError, init};
pub(crate) use minute::OncePerMinute;
pub(crate) use refusals::limit_refused;
pub(crate) use scrape::{Facts, scrape};
pub(crate) use throttle::report_suppressed;
