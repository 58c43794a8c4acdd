//! The answers of a stream that may not stand yet. A server may hold its headers back until it has
//! something to say, so requests go out while the stream is still being opened.

use std::pin::Pin;

use tonic::{Response, Status, Streaming};

type Opening<T> = Pin<Box<dyn Future<Output = Result<Response<Streaming<T>>, Status>> + Send>>;

/// The answers of one stream.
pub(crate) enum Incoming<T> {
    Opening(Opening<T>),
    Open(Box<Streaming<T>>),
    Ended,
}

impl<T> std::fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
            Self::Ended => "Ended",
        })
    }
}

impl<T> Incoming<T> {
    pub(crate) fn new(
        opening: impl Future<Output = Result<Response<Streaming<T>>, Status>> + Send + 'static,
    ) -> Self {
        Self::Opening(Box::pin(opening))
    }

    /// The next answer; `None`: the server ended the stream without an error. Cancel safe: what
    /// has been received is not lost when this is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, Status> {
        let answer = loop {
            match self {
                Self::Opening(opening) => match opening.await {
                    Ok(response) => *self = Self::Open(Box::new(response.into_inner())),
                    Err(status) => break Err(status),
                },
                Self::Open(stream) => break stream.message().await,
                Self::Ended => return Ok(None),
            }
        };
        if !matches!(answer, Ok(Some(_))) {
            *self = Self::Ended;
        }
        answer
    }
}
