//! The one binary: server, client and tools.

fn main() {}
