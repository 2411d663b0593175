//! What a connection says, on its way to the socket: the actor's words, and package bytes between them.
//!
//! Package bytes are in frames already and shared by all devices, so they go past the framework's encoder, which would
//! copy them. The framework asks for more when the socket has taken what it was given: a piece waits here until then.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;

/// Where the actor puts the next piece of a package. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Tray(Rc<Cell<Bytes>>);

impl Tray {
    /// Takes whole frames, in place of what was not said yet.
    pub fn put(&self, frames: Bytes) {
        self.0.set(frames);
    }

    /// What waits is not to be said any more.
    pub fn clear(&self) {
        self.0.take();
    }

    /// Ready when the socket takes more. Asked whenever the connection is polled, which it is when the socket has
    /// taken something.
    pub fn poll_taken(&self) -> Poll<()> {
        let waiting = self.0.take();
        let is_empty = waiting.is_empty();
        self.0.set(waiting);
        if is_empty { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// See the module.
pub(super) struct Outgoing<S> {
    words: S,
    tray: Tray,
}

impl<S> Outgoing<S> {
    pub fn new(words: S, tray: Tray) -> Self {
        Self { words, tray }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for Outgoing<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let said = Pin::new(&mut self.words).poll_next(cx);
        if said.is_ready() {
            return said;
        }
        let frames = self.tray.0.take();
        if frames.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(frames))) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    #[test]
    fn words_go_before_the_piece_that_waits_and_a_piece_goes_once() {
        let tray = Tray::default();
        let mut said: VecDeque<&[u8]> = VecDeque::from([&b"package"[..], b"ack"]);
        let words = futures_util::stream::poll_fn(move |_| match said.pop_front() {
            Some(word) => Poll::Ready(Some(Ok(Bytes::from_static(word)))),
            None => Poll::Pending,
        });
        let mut outgoing = Outgoing::new(words, tray.clone());
        let mut next = || match Pin::new(&mut outgoing).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bytes) => bytes.map(Result::unwrap),
            Poll::Pending => None,
        };
        tray.put(Bytes::from_static(b"frames"));
        assert_eq!((next().unwrap(), next().unwrap()), (Bytes::from("package"), Bytes::from("ack")));
        assert_eq!(tray.poll_taken(), Poll::Pending);
        assert_eq!(next().unwrap(), "frames");
        assert_eq!(tray.poll_taken(), Poll::Ready(()));
        assert_eq!(next(), None);
        tray.put(Bytes::from_static(b"of what was called off"));
        tray.clear();
        assert_eq!(next(), None);
    }
}
