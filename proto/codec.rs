//! How messages become bytes and back, for every call of the API.
//!
//! tonic's own codec decodes from the receive buffer, a growable one: each field that is bytes is
//! split off it, which costs several atomic operations. Here a message is taken out of the buffer
//! once, as immutable bytes, and its fields are slices of it. On a stream of large batches that is
//! a fifth of the time a client spends.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Buffers begin at this many bytes: a stream that has nothing to say should not cost much. They
/// grow to the size of a message at once.
const BUFFER_BYTES: usize = 512;
/// Messages that are ready together leave together, up to about this many bytes: a call of the
/// operating system for each costs more than what is in it.
const TOGETHER_BYTES: usize = 64 << 10;

/// How much room the buffers of a call begin with, and when they are sent.
pub fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, TOGETHER_BYTES)
}

/// Sends `T` and receives `U`, as protobuf.
#[derive(Debug)]
pub struct MessageCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = MessageEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder::default()
    }
}

/// Writes messages.
#[derive(Debug)]
pub struct MessageEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for MessageEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        encode(&item, buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}

/// Writes `message` to the end of `buffer`, which grows once.
pub fn encode(message: &impl Message, buffer: &mut EncodeBuf<'_>) {
    buffer.reserve(message.encoded_len());
    message.encode_raw(buffer);
}

/// Reads messages.
#[derive(Debug)]
pub struct MessageDecoder<U>(PhantomData<U>);

impl<U> Default for MessageDecoder<U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: Message + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        U::decode(message)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
