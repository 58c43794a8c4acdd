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

pub mod command;
pub mod effect;
pub mod id;
pub mod rejection;
pub mod settings;
pub mod time;
pub mod transition;

mod engine;

pub use engine::{Engine, Output, RestoreError};
