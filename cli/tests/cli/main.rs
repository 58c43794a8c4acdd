//! The binary as people and scripts meet it: what they type, what they read, how it ends.

mod bench;
mod config;
mod demo;
mod dev;
mod doctor;
mod exit_codes;
mod json;
#[path = "../../../client/tests/support/port.rs"]
mod port;
mod queues;
mod rig;
mod verbs;
#[cfg(unix)]
mod work;
