//! What leaseq promises to those who call it, over real sockets: one file for each promise.
//!
//! The servers are real and in this process, on ports that the system chooses, with a journal in a
//! temporary directory. The clients are the generated ones, so that nothing of ours helps them.

mod access;
mod admin_jobs;
mod admin_queues;
mod bad_input;
mod bad_questions;
mod damage;
mod get;
mod lease_stream;
mod malformed;
mod outcomes;
mod put;
mod put_stream;
mod restart;
mod resume;
mod settle;
mod shutdown;
mod support;
mod waiting;
