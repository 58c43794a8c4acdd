//! A TCP proxy that cuts connections: what a network does, on command.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy to a server. Dropping it cuts everything.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    /// Every change of it cuts the connections that are open.
    cuts: watch::Sender<usize>,
    /// Whether new connections are let through.
    open: watch::Sender<bool>,
    /// Connections let through so far.
    connections: watch::Sender<usize>,
    /// Whether what the server sends is let through.
    answers: watch::Sender<bool>,
    /// The next connection is cut after so many bytes of each direction; 0: not.
    bytes_max: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), target).await
    }

    pub(crate) async fn at(addr: SocketAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target,
            cuts: watch::Sender::new(0),
            open: watch::Sender::new(true),
            connections: watch::Sender::new(0),
            answers: watch::Sender::new(true),
            bytes_max: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            addr,
            state,
            accepting,
        }
    }

    /// Cuts every connection after so many bytes in either direction.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.state.bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// Cuts every connection now.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closed: new connections are cut at once.
    pub(crate) fn set_open(&self, open: bool) {
        self.state.open.send_replace(open);
    }

    /// Off: what the server sends waits here until it is on again.
    pub(crate) fn let_answers_through(&self, on: bool) {
        self.state.answers.send_replace(on);
    }

    /// Connections let through so far.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Waits until so many connections have been let through.
    pub(crate) async fn reached(&self, connections: usize) {
        let mut watch = self.state.connections.subscribe();
        watch.wait_for(|now| *now >= connections).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        if *state.open.borrow() {
            tokio::spawn(carry(client, Arc::clone(&state)));
        }
    }
}

async fn carry(client: TcpStream, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let Ok(server) = TcpStream::connect(state.target).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    state
        .connections
        .send_modify(|connections| *connections += 1);
    let max = match state.bytes_max.load(Ordering::Relaxed) {
        0 => usize::MAX,
        max => max,
    };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let always = watch::Sender::new(true);
    // Whichever ends first ends all.
    tokio::select! {
        () = copy(client_reads, server_writes, max, always.subscribe()) => {}
        () = copy(server_reads, client_writes, max, state.answers.subscribe()) => {}
        _ = cuts.changed() => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    max: usize,
    mut open: watch::Receiver<bool>,
) {
    let mut left = max;
    let mut buffer = [0; 8192];
    while left > 0 {
        let most = left.min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..most]).await else {
            return;
        };
        let opened = open.wait_for(|open| *open).await.is_ok();
        if !opened || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        left -= read;
    }
}
