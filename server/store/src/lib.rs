//! Remembers: makes batches of transitions durable and gives contents back.
//!
//! A store has durability and no semantics: it knows which transitions bring
//! content, which end it, and nothing else about queues.

pub mod conformance;
pub mod disk;
pub mod doctor;
pub mod journal;
pub mod memory;
mod random;
mod record;
pub mod salvage;
pub mod seam;

pub use journal::{Journal, JournalOptions, SyncPolicy, SyncPolicyError};
pub use memory::MemoryStore;
pub use seam::{
    Batch, CommitError, Committed, Compaction, DamagedContent, Delayed, Epoch, Loaded, Loss,
    Position, Report, Scrubbed, Shortcomings, Space, Store, StoreError,
};
