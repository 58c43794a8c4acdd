//! HTTP/2 frames by hand: what no client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub fn error_code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The values of a SETTINGS frame, by their number.
    pub fn settings(&self) -> Vec<(u16, u32)> {
        let pair = |pair: &[u8]| {
            let id = u16::from_be_bytes([pair[0], pair[1]]);
            (id, u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]))
        };
        self.payload.chunks_exact(6).map(pair).collect()
    }
}

/// The bytes of one frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a gRPC call, without any compression.
pub fn call_head(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    // Of the static table: POST, http.
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "longer texts need more than one byte");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    };
    literal(":authority", "leaseq");
    literal(":path", path);
    literal("te", "trailers");
    literal("content-type", "application/grpc");
    for (name, value) in headers {
        literal(name, value);
    }
    block
}

/// A connection on which frames are written by hand.
pub struct Wire(pub TcpStream);

impl Wire {
    /// Connects and says nothing.
    pub async fn silent(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    /// Connects and opens HTTP/2.
    pub async fn open(addr: SocketAddr) -> Self {
        let mut wire = Self::silent(addr).await;
        wire.send(PREFACE).await;
        wire.send(&frame(SETTINGS, 0, 0, &[])).await;
        wire
    }

    /// Sends bytes; whether the server still reads them does not matter.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// Sends bytes and waits until the server has read them. `Err`: it has ended the
    /// connection, with this code.
    pub async fn send_and_ping(&mut self, bytes: &[u8]) -> Result<(), u32> {
        self.send(bytes).await;
        self.send(&frame(PING, 0, 0, &[0; 8])).await;
        loop {
            let frame = self.next().await.expect("GOAWAY comes before the end");
            if frame.kind == GOAWAY {
                return Err(frame.error_code());
            }
            if frame.kind == PING && frame.flags == ACK {
                return Ok(());
            }
        }
    }

    /// The next frame; `None`: the connection is closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of this kind; `None`: the connection was closed before.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Waits for the end of the connection.
    pub async fn closed(mut self) {
        while self.next().await.is_some() {}
    }
}
