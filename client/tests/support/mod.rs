//! A server in this process, and a proxy that cuts the way to it.

#![allow(dead_code)] // each test file uses its part

pub(crate) mod port;
mod proxy;

use std::net::SocketAddr;

use leaseq_client::{Client, ClientBuilder, QueueStats};
use leaseq_server::config::{Config, Layer};
use leaseq_server::{RunningServer, Server};

pub(crate) use proxy::Proxy;

/// The key of every server here.
pub(crate) const AUTHKEY: &str = "a-key-for-the-tests-of-the-client";

/// A server that remembers in memory.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    server: RunningServer,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let mut flags = Layer::new();
        for (key, value) in [
            ("listen", "127.0.0.1:0"),
            ("admin_listen", "off"),
            ("store", "memory"),
        ] {
            flags.set(key, value).unwrap();
        }
        let key = ("LEASEQ_AUTHKEY".to_owned(), AUTHKEY.to_owned());
        let config = Config::resolve(&flags, &Layer::from_variables([key]), None)
            .unwrap()
            .config;
        let server = Server::new(config).start().await.unwrap();
        server.ready().await.unwrap();
        Self {
            addr: server.grpc_addr(),
            server,
        }
    }

    /// A client with the right key, straight to the server.
    pub(crate) fn client(&self) -> Client {
        builder(self.addr).build().unwrap()
    }

    pub(crate) async fn proxy(&self) -> Proxy {
        Proxy::to(self.addr).await
    }
}

/// A client with the right key for whatever is at this address.
pub(crate) fn builder(addr: SocketAddr) -> ClientBuilder {
    Client::builder().address(addr.to_string()).authkey(AUTHKEY)
}

/// A client that goes through a proxy.
pub(crate) fn through(proxy: &Proxy) -> Client {
    builder(proxy.addr).wait_forever().build().unwrap()
}

/// How a queue stands.
pub(crate) async fn stats(client: &Client, queue: &str) -> QueueStats {
    client.get_queue(queue).await.unwrap().stats
}
