//! The queue itself: a deterministic state machine.
//!
//! Commands go in; transitions (durable facts) and effects (what may happen
//! outside) come out. The engine has no clock, no I/O, no randomness and no
//! threads: time is an argument, randomness comes with the command, and what has
//! to be remembered is a transition that the caller makes durable before it lets
//! the effects of the same batch out.
//!
//! The order of calls: `new`, then `restore` for every transition of the store in
//! order, then `apply` for each command. See [`Engine`].
//!
//! # Where things are
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`], [`transition`], [`effect`] | the three closed enums: in, durable, out |
//! | [`id`], [`time`], [`settings`], [`rejection`] | the words they are made of |
//! | `engine` | [`Engine`]: restoring, applying, the next deadline, the invariants |
//! | `state/` | the durable state; changes by `State::evolve(&Transition)` alone |
//! | `state/groups`, `state/ready` | why a waiting plain job costs next to nothing |
//! | `state/job`, `state/moves` | live jobs tracked one by one, and moving them |
//! | `state/ended` | jobs that have ended and are kept |
//! | `state/restate` | writing the present state again, and reading it back |
//! | `live/` | sessions, callers that wait, lines: gone with the process |
//! | `turn`, `pending` | one command being applied, and the work that it leaves |
//! | `apply/` | what each command does, one file per verb |
//! | `matching` | who gets ready jobs: the only place that grants leases |
//! | `ending` | how attempts and jobs end: the only place that ends them |
//! | `deadlines` | what falls due when |
//! | [`space`] | what is written, and what is not, when the disk is full |
//!
//! Invariants I1 to I14 are listed in `state/invariants` and `live/invariants`,
//! which check them by a full scan.

pub mod command;
pub mod effect;
pub mod id;
pub mod rejection;
pub mod settings;
pub mod space;
pub mod time;
pub mod transition;

mod apply;
#[cfg(test)]
mod bounds;
mod by_job;
mod deadlines;
mod ending;
mod engine;
mod live;
mod matching;
mod pending;
mod salvage;
mod state;
#[cfg(test)]
mod testing;
mod turn;

pub use engine::{Engine, Output, RestoreError};
