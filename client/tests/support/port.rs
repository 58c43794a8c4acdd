//! A port for a server that is tested or measured; `cli` and `bench` use this file, too.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

/// A loopback port nobody listens on now; below those that outgoing connections take, so that none
/// has it when the server starts, or starts again.
pub(crate) fn free_port() -> u16 {
    let random = RandomState::new();
    (0..1000)
        .map(|turn| 10_000 + (random.hash_one(turn) % 22_000) as u16)
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free loopback port")
}
