//! Behaviour of the shard over a memory store.
