//! Puts on a stream are kept until they are answered, to be sent again if the connection breaks.
//! Encoding them from where they are kept saves a copy of every job.

use std::marker::PhantomData;
use std::sync::Arc;

use leaseq_proto::codec::{MessageDecoder, buffers, encode};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};

/// Encodes `Arc<T>` as `T`, and decodes `U`.
pub(crate) struct SharedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> SharedCodec<T, U> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SharedCodec<T, U>
where
    T: Message + Send + Sync + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = Arc<T>;
    type Decode = U;
    type Encoder = SharedEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        SharedEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder::default()
    }
}

pub(crate) struct SharedEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for SharedEncoder<T> {
    type Item = Arc<T>;
    type Error = Status;

    fn encode(&mut self, item: Arc<T>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        encode(&*item, buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
