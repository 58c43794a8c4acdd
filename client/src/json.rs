//! Payloads and results as JSON of serde types.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::job::NewJob;

/// The header that says that a payload is JSON.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");

/// A handler's result that travels as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Json<T>(pub T);

impl NewJob {
    /// A job whose payload is this value as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let (name, content_type) = CONTENT_TYPE;
        Ok(Self::new(to_bytes(value)?).header(name, content_type))
    }
}

impl crate::job::Finished {
    /// The result of a completed job as a value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        from_slice(&self.result)
    }
}

pub(crate) fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(unreadable)
}

pub(crate) fn from_slice<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Payload {
        message: error.to_string(),
    }
}
