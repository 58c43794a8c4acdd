//! What a call sends, on its way to the gRPC library: the library takes the first message of a
//! unary call and drops the others, so they are found here, before anything is done.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use crate::api::status::second_message;

/// A flag of one byte and the length of the message come before each.
const PREFIX_BYTES: usize = 5;

/// The body of a request; of a call that takes one message, that message and no more.
#[derive(Debug)]
pub(crate) struct RequestBody<B> {
    body: B,
    /// `None`: the call takes any number of messages.
    message: Option<Message>,
}

impl<B> RequestBody<B> {
    pub(super) fn new(body: B, takes_one_message: bool) -> Self {
        Self {
            body,
            message: takes_one_message.then(Message::default),
        }
    }
}

/// How much of its one message has been seen.
#[derive(Debug, Default)]
struct Message {
    prefix: [u8; PREFIX_BYTES],
    prefix_seen: usize,
    /// The bytes that are still to come.
    rest: usize,
}

impl Message {
    /// Takes the next bytes; whether they are still of the one message.
    fn holds(&mut self, mut data: &[u8]) -> bool {
        while self.prefix_seen < PREFIX_BYTES {
            let Some((first, more)) = data.split_first() else {
                return true;
            };
            if let Some(byte) = self.prefix.get_mut(self.prefix_seen) {
                *byte = *first;
            }
            self.prefix_seen += 1;
            data = more;
            if self.prefix_seen == PREFIX_BYTES {
                let [_, length @ ..] = self.prefix;
                self.rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            }
        }
        match self.rest.checked_sub(data.len()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let (Some(message), Some(Ok(frame))) = (&mut this.message, &frame)
            && let Some(data) = frame.data_ref()
            && !message.holds(data)
        {
            return Poll::Ready(Some(Err(second_message())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_message_is_found_however_it_is_cut() {
        let one = [0, 0, 0, 0, 2, 7, 7];
        let two = [one, one].concat();
        for size in 1..=two.len() {
            let mut message = Message::default();
            assert!(one.chunks(size).all(|chunk| message.holds(chunk)), "{size}");
            let mut message = Message::default();
            assert!(
                !two.chunks(size).all(|chunk| message.holds(chunk)),
                "{size}"
            );
        }
        assert!(Message::default().holds(&[]));
        assert!(!Message::default().holds(&[0, 0, 0, 0, 0, 0]));
    }
}
