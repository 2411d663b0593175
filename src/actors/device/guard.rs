//! A stream around a connection's incoming bytes that refuses what the framework would buffer first and judge
//! later: frames that declare too much, floods of control frames, frames that never end. And the place where a
//! device is read more slowly, or not at all for a while.
//!
//! Reads frame headers only (RFC 6455, section 5.2) and changes no byte. Hands on one frame, and the next when the
//! actor has taken that one, so that no flood of small frames gathers between the two. A broken link ends the
//! stream, so that what arrived before it is still handled.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::error::PayloadError;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Sleep, sleep};

use super::LATE;
use super::frames::Frames;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::protocol::close;

/// How long a frame may take to arrive, seconds.
const FRAME_WITHIN_S: i64 = 10;

/// How long all frames of a message may take, seconds.
const MESSAGE_WITHIN_S: i64 = 30;

/// What the guard and the connection's actor tell each other.
#[derive(Debug, Default)]
struct Watch {
    /// The close that answers what was refused.
    refused: Option<(u16, &'static str)>,
    /// Since when a frame is incomplete.
    frame: Option<Timestamp>,
    /// Since when a message of several frames is incomplete.
    message: Option<Timestamp>,
    /// A whole frame was handed on that the actor has not taken yet.
    untaken: bool,
    /// Since when nothing is read.
    held: Option<Timestamp>,
    /// For how long nothing was read lately, seconds.
    deaf_s: i64,
    /// Nothing is to be read for this long.
    pause: Option<Duration>,
    reader: Option<Waker>,
}

/// The actor's end of a guard.
#[derive(Debug, Clone, Default)]
pub(super) struct Watcher(Rc<RefCell<Watch>>);

impl Watcher {
    /// The close that answers what the guard refused, if it did.
    pub fn refused(&self) -> Option<(u16, &'static str)> {
        self.0.borrow().refused
    }

    /// When the frame, or the message of several, that is incomplete must be whole.
    fn due(&self) -> Option<Timestamp> {
        let watch = self.0.borrow();
        let frame = watch.frame.map(|since| since + TimeDelta::seconds(FRAME_WITHIN_S));
        let message = watch.message.map(|since| since + TimeDelta::seconds(MESSAGE_WITHIN_S));
        frame.into_iter().chain(message).min()
    }

    /// The actor has the frame that was handed on. It asks for the next one when it has dealt with it.
    pub fn taken(&self) {
        self.0.borrow_mut().untaken = false;
    }

    /// Reads nothing for this long.
    pub fn pause(&self, pause: Duration) {
        self.0.borrow_mut().pause = Some(pause);
    }

    /// Reads nothing until [`go_on`](Self::go_on).
    pub fn hold(&self, now: Timestamp) {
        self.0.borrow_mut().held.get_or_insert(now);
    }

    /// Reads again. What a device said meanwhile comes at once, and is no flood.
    pub fn go_on(&self, now: Timestamp) {
        let mut watch = self.0.borrow_mut();
        if let Some(since) = watch.held.take() {
            watch.deaf_s += (now - since).num_seconds() + 1;
            watch.frame = watch.frame.map(|_| now);
            watch.message = watch.message.map(|_| now);
        }
        if let Some(reader) = watch.reader.take() {
            reader.wake();
        }
    }

    /// The server stood still: what is incomplete begins now, and what gathered meanwhile is no flood.
    pub fn excuse(&self, now: Timestamp, stood_s: i64) {
        let mut watch = self.0.borrow_mut();
        watch.deaf_s += stood_s;
        watch.frame = watch.frame.map(|_| now);
        watch.message = watch.message.map(|_| now);
    }

    /// Whether nothing is read until [`go_on`](Self::go_on).
    pub fn is_held(&self) -> bool {
        self.0.borrow().held.is_some()
    }
}

/// See the module.
pub(super) struct Guard<S> {
    bytes: S,
    clock: Clock,
    watcher: Watcher,
    frames: Frames,
    /// Read, and not handed on yet.
    rest: Bytes,
    sleeping: Option<Pin<Box<Sleep>>>,
    /// What is incomplete must be whole by then.
    stalling: Option<(Timestamp, Pin<Box<Sleep>>)>,
}

impl<S> Guard<S> {
    pub fn new(bytes: S, clock: Clock, watcher: Watcher) -> Self {
        Self { bytes, clock, watcher, frames: Frames::default(), rest: Bytes::new(), sleeping: None, stalling: None }
    }

    /// Lets binary frames pass, which a device does not send.
    #[cfg(feature = "echo")]
    pub fn takes_binary(mut self, takes: bool) -> Self {
        self.frames.takes_binary = takes;
        self
    }

    /// Ready when the next frame may be handed on.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut watch = self.watcher.0.borrow_mut();
        if watch.untaken || watch.held.is_some() {
            watch.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(pause) = watch.pause.take() {
            self.sleeping = Some(Box::pin(sleep(pause)));
        }
        if let Some(sleeping) = &mut self.sleeping {
            ready!(sleeping.as_mut().poll(cx));
            self.sleeping = None;
        }
        Poll::Ready(())
    }

    /// Ready when what is incomplete has been so for too long: it is refused then.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(due) = self.watcher.due() else {
                self.stalling = None;
                return Poll::Pending;
            };
            match &mut self.stalling {
                Some((at, sleeping)) if *at == due => {
                    ready!(sleeping.as_mut().poll(cx));
                    let now = self.clock.steady();
                    let late = now - due;
                    if late > LATE {
                        // The server stood still, not the device.
                        self.watcher.excuse(now, late.num_seconds());
                    } else {
                        self.watcher.0.borrow_mut().refused = Some((close::POLICY, "a frame took too long to arrive"));
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let left = (due - self.clock.steady()).to_std().unwrap_or_default();
                    self.stalling = Some((due, Box::pin(sleep(left))));
                }
            }
        }
    }

    /// The rest of a frame, or as much of it as is there.
    fn hand_on(&mut self) -> Result<Bytes, PayloadError> {
        let now = self.clock.steady();
        let mut watch = self.watcher.0.borrow_mut();
        self.frames.forgive(std::mem::take(&mut watch.deaf_s), now);
        let stepped = self.frames.step(&self.rest, now);
        (watch.frame, watch.message) = (self.frames.frame, self.frames.message);
        match stepped {
            Ok((length, whole)) => {
                watch.untaken = whole;
                Ok(self.rest.split_to(length))
            }
            Err(refused) => {
                watch.refused = Some(refused);
                Err(PayloadError::Overflow)
            }
        }
    }
}

impl<S: Stream<Item = Bytes> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.watcher.refused().is_some() {
            return Poll::Ready(None);
        }
        ready!(self.poll_gate(cx));
        while self.rest.is_empty() {
            match self.bytes.poll_next_unpin(cx) {
                Poll::Ready(Some(bytes)) => self.rest = bytes,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.poll_stall(cx));
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
            }
        }
        Poll::Ready(Some(self.hand_on()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::device::frames::masked;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// What the guard gives when it is asked now; `None`: nothing yet.
    fn next<S: Stream<Item = Bytes> + Unpin>(guard: &mut Guard<S>) -> Option<usize> {
        let polled = guard.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(Some(Ok(bytes))) => Some(bytes.len()),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_next_frame_waits_until_the_actor_has_taken_the_one_before() {
        let all = Bytes::from([masked(1, 5), masked(1, 7)].concat());
        let watcher = Watcher::default();
        let bytes = futures_util::stream::iter([all.slice(..3), all.slice(3..)]);
        let mut guard = Guard::new(bytes, Clock::system(), watcher.clone());
        assert_eq!((next(&mut guard), next(&mut guard)), (Some(3), Some(8)), "as it arrives, to the frame's end");
        assert_eq!((next(&mut guard), next(&mut guard)), (None, None));
        watcher.taken();
        watcher.hold(at(0));
        assert_eq!(next(&mut guard), None, "nothing is read while it is held");
        watcher.go_on(at(9));
        assert_eq!(next(&mut guard), Some(13));
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_incomplete_is_refused_when_its_time_is_over() {
        let half = Bytes::from(masked(1, 5)).slice(..3);
        let bytes = futures_util::stream::iter([half]).chain(futures_util::stream::pending());
        let watcher = Watcher::default();
        let mut guard = Guard::new(Box::pin(bytes), Clock::system(), watcher.clone());
        assert_eq!((next(&mut guard), next(&mut guard)), (Some(3), None));
        let refused = guard.next().await;
        assert!(matches!(refused, Some(Err(PayloadError::Overflow))), "{refused:?}");
        assert_eq!(watcher.refused().map(|(code, _)| code), Some(close::POLICY));
        assert!(guard.next().await.is_none());
    }
}
