//! A server in this process on a port that the system chooses, and two ways to
//! speak to it: calls over h2, without any help that a gRPC client gives, and
//! frames by hand.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part")]

pub mod wire;

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use leaseq_server::config::{Config, StoreKind};
use leaseq_server::{RunningServer, Server};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A key that is long enough.
pub const KEY: &str = "a-key-of-sixteen-or-more";

/// A configuration for tests: memory, loopback, ports of the system's choice.
pub fn config() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: None,
        store: StoreKind::Memory,
        ..Config::default()
    }
}

/// The same with one key that may do everything.
pub fn config_with_key() -> Config {
    Config {
        authkey: Some(KEY.into()),
        ..config()
    }
}

/// Starts it and waits until it answers.
pub async fn start(config: Config) -> RunningServer {
    let server = Server::new(config).start().await.unwrap();
    server.ready().await.unwrap();
    server
}

/// What came back of a call.
#[derive(Debug)]
pub struct Answer {
    pub code: Code,
    pub reason: String,
    pub message: String,
}

impl Answer {
    fn of(status: &Status) -> Self {
        Self {
            code: status.code(),
            reason: status
                .get_details_error_info()
                .map(|info| info.reason)
                .unwrap_or_default(),
            message: status.message().to_owned(),
        }
    }
}

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct Connection {
    requests: SendRequest<Bytes>,
}

impl Connection {
    pub async fn open(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap()).await
    }

    pub async fn over<T>(stream: T) -> Self
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { requests }
    }

    /// A connection on which each call may receive this many bytes, and no more.
    pub async fn with_window(addr: SocketAddr, bytes: u32) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(bytes);
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { requests }
    }

    /// Whether the connection still takes calls.
    pub async fn is_open(&self) -> bool {
        self.requests.clone().ready().await.is_ok()
    }

    /// Sends the head of a call and nothing else.
    pub async fn begin(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut request = Request::post(format!("http://leaseq{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await?;
        requests.send_request(request.body(()).unwrap(), false)
    }

    /// The answer to a call of which only the head was sent.
    pub async fn answer_to_head(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (response, _body) = self.begin(path, headers).await.unwrap();
        answer(response).await.1
    }

    /// The code of a call with an empty request.
    pub async fn code(&self, path: &str, headers: &[(&str, &str)]) -> Code {
        self.call(path, headers, ()).await.1.code
    }

    /// The answer to a call with one request message.
    pub async fn call(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        message: impl prost::Message,
    ) -> (Vec<u8>, Answer) {
        let (response, mut body) = self.begin(path, headers).await.unwrap();
        // An early answer ends the stream: then there is nobody to send to.
        let _ = body.send_data(framed(&message), true);
        answer(response).await
    }
}

/// A message as gRPC sends it.
pub fn framed(message: &impl prost::Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// Waits for the end of a call: the bytes of its first message, and its status.
pub async fn answer(response: ResponseFuture) -> (Vec<u8>, Answer) {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => panic!("the call was not answered: {error}"),
    };
    let (head, mut body) = response.into_parts();
    let (data, trailers) = drain(&mut body).await;
    let status = Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(&trailers))
        .unwrap_or_else(|| panic!("no grpc-status: {} {:?}", head.status, head.headers));
    (
        data.get(5..).unwrap_or_default().to_vec(),
        Answer::of(&status),
    )
}

async fn drain(body: &mut RecvStream) -> (Vec<u8>, HeaderMap) {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        let _ = body.flow_control().release_capacity(data.len());
        all.extend(data);
    }
    (all, body.trailers().await.unwrap().unwrap_or_default())
}

/// The text of a page of the admin port, with its status line.
pub async fn page(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.push_str(&format!("host: {addr}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let code = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap();
    (code, text)
}
