//! Drives: one engine and one store, on two threads of their own.
//!
//! The driver takes all waiting commands as one batch, reads the clock once, lets
//! the engine apply them and hands transitions and effects on. The committer makes
//! the batch durable with one write, and only then lets the effects out. While it
//! waits for the disk, the driver applies the next batch (group commit with
//! pipelining). When no command waits, the driver does the committer's work itself:
//! to wake another thread would cost about as much as the sync.
//!
//! Invariant: nothing leaves before `Store::commit` of its batch returned Ok. After
//! an error of the store nothing leaves at all: whoever waits is refused, the
//! condition becomes `Failed`, and the process is expected to end.

mod answer;
mod clock;
mod committer;
mod damage;
mod driver;
mod handle;
mod inbox;
mod link;
mod looks;
mod metrics;
mod outboxes;
mod scrub;
mod shortcomings;
mod signs;
mod tally;
#[cfg(test)]
mod tests;
mod wall;
mod weight;
mod work;

pub(crate) use answer::{Answer, Pending, Refusal};
#[cfg(test)]
pub(crate) use clock::fake::FakeMachine;
pub(crate) use clock::{Clock, WallOffset};
pub(crate) use driver::{ShardOptions, start};
pub(crate) use handle::{Condition, ShardHandle};
pub(crate) use link::{SessionEvent, SessionLink, SessionSender};
pub(crate) use metrics::{BATCH_BUCKETS, DURATION_BUCKETS_MICROS, Histogram};
pub(crate) use tally::JobFact;
