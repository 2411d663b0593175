//! A stream around a connection's incoming bytes that refuses what the framework would buffer first and judge
//! later: frames that declare too much, floods of control frames, frames that never end.
//!
//! Reads frame headers only (RFC 6455, section 5.2) and changes no byte. A broken link ends the stream, so that what
//! arrived before it is still handled.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{Stream, StreamExt as _};

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::protocol::{MAX_TEXT, close};

/// Longest payload of a control frame, bytes (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// Most control frames in a second.
const MAX_CONTROL_FRAMES: u32 = 20;

/// How long a frame may take to arrive, seconds.
const FRAME_WITHIN_S: i64 = 10;

/// What the guard has seen, shared with the connection's actor.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The close that answers what was refused.
    refused: Option<(u16, &'static str)>,
    /// Since when a frame is incomplete.
    begun: Option<Timestamp>,
}

/// The actor's end of a guard.
#[derive(Debug, Clone, Default)]
pub(super) struct Watcher(Rc<RefCell<Watch>>);

impl Watcher {
    /// The close that answers what the guard refused, if it did.
    pub fn refused(&self) -> Option<(u16, &'static str)> {
        self.0.borrow().refused
    }

    /// Whether a frame has been incomplete for too long.
    pub fn is_stalled(&self, now: Timestamp) -> bool {
        self.0.borrow().begun.is_some_and(|begun| now - begun >= TimeDelta::seconds(FRAME_WITHIN_S))
    }
}

/// See the module.
pub(super) struct Guard<S> {
    bytes: S,
    clock: Clock,
    watcher: Watcher,
    frames: Frames,
}

impl<S> Guard<S> {
    pub fn new(bytes: S, clock: Clock, watcher: Watcher) -> Self {
        Self { bytes, clock, watcher, frames: Frames::default() }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.watcher.refused().is_some() {
            return Poll::Ready(None);
        }
        match self.bytes.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                let now = self.clock.now();
                let passed = self.frames.pass(&bytes, now);
                let mut watch = self.watcher.0.borrow_mut();
                watch.begun = self.frames.begun;
                if let Err(refused) = passed {
                    watch.refused = Some(refused);
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                drop(watch);
                Poll::Ready(Some(Ok(bytes)))
            }
            // A link that broke is at its end.
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Where in a frame the stream is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Header bytes so far; at most 14.
    header: Vec<u8>,
    /// Payload bytes of the current frame still to come.
    left: u64,
    begun: Option<Timestamp>,
    second: Option<Timestamp>,
    control_frames: u32,
}

type Passed = Result<(), (u16, &'static str)>;

impl Frames {
    pub(super) fn pass(&mut self, mut bytes: &[u8], now: Timestamp) -> Passed {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len() as u64);
                self.left -= taken;
                // At most the length of the slice.
                bytes = &bytes[taken as usize..];
            } else {
                self.begun.get_or_insert(now);
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                if let Some(length) = payload_length(&self.header) {
                    self.judge(length, now)?;
                    self.left = length;
                    self.header.clear();
                }
            }
            if self.left == 0 && self.header.is_empty() {
                self.begun = None;
            }
        }
        Ok(())
    }

    fn judge(&mut self, length: u64, now: Timestamp) -> Passed {
        let first = self.header[0];
        if first & 0x70 != 0 {
            return Err((close::PROTOCOL, "reserved bits are set"));
        }
        let is_control = first & 0x08 != 0;
        if is_control && length > MAX_CONTROL {
            return Err((close::PROTOCOL, "a control frame is at most 125 bytes"));
        }
        // Binary frames are refused for what they are, whatever their length.
        if first & 0x0f == 2 {
            return Err((close::UNSUPPORTED, "devices send text"));
        }
        if length > MAX_TEXT as u64 {
            return Err((close::TOO_LARGE, "a message is at most 64 KiB"));
        }
        if is_control { self.count_control(now) } else { Ok(()) }
    }

    fn count_control(&mut self, now: Timestamp) -> Passed {
        if self.second.is_none_or(|second| now - second >= TimeDelta::seconds(1)) {
            self.second = Some(now);
            self.control_frames = 0;
        }
        self.control_frames += 1;
        match self.control_frames {
            0..=MAX_CONTROL_FRAMES => Ok(()),
            _ => Err((close::POLICY, "too many control frames")),
        }
    }
}

/// The payload length that a header declares, once all of the header is there.
fn payload_length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, length) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    };
    (header.len() >= 2 + extended + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(length) {
            Ok(short) if short < 126 => frame.push(0x80 | short as u8),
            Ok(medium) => {
                frame.push(0x80 | 126);
                frame.extend(medium.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(vec![0; length]);
        frame
    }

    #[test]
    fn frames_pass_however_they_are_cut() {
        let all = [frame(1, 5), frame(9, 0), frame(1, 300), frame(1, MAX_TEXT), frame(10, 125)].concat();
        for piece in [1, 2, 3, 7, 1000, all.len()] {
            let mut frames = Frames::default();
            for bytes in all.chunks(piece) {
                assert_eq!(frames.pass(bytes, at(0)), Ok(()), "in pieces of {piece}");
            }
            assert_eq!(frames.begun, None);
        }
    }

    #[test]
    fn a_length_is_refused_as_soon_as_it_is_declared() {
        let code = |bytes: &[u8]| Frames::default().pass(bytes, at(0)).err().map(|(code, _)| code);
        assert_eq!(code(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(close::TOO_LARGE));
        assert_eq!(code(&frame(1, MAX_TEXT + 1)[..14]), Some(close::TOO_LARGE));
        assert_eq!(code(&frame(0, MAX_TEXT + 1)[..14]), Some(close::TOO_LARGE));
        assert_eq!(code(&frame(9, 126)[..8]), Some(close::PROTOCOL));
        assert_eq!(code(&[0xc1, 0x80, 0, 0, 0, 0]), Some(close::PROTOCOL));
        assert_eq!(code(&frame(2, 10)[..6]), Some(close::UNSUPPORTED));
    }

    #[test]
    fn a_flood_of_control_frames_is_refused_and_a_steady_ping_is_not() {
        let mut frames = Frames::default();
        for second in 0..100 {
            assert_eq!(frames.pass(&frame(9, 0), at(second)), Ok(()));
        }
        let flood = frame(9, 0).repeat(21);
        assert_eq!(frames.pass(&flood, at(200)).map_err(|(code, _)| code), Err(close::POLICY));
    }

    #[test]
    fn half_a_frame_is_noticed_and_a_whole_one_ends_it() {
        let mut frames = Frames::default();
        let whole = frame(1, 100);
        frames.pass(&whole[..7], at(5)).unwrap();
        assert_eq!(frames.begun, Some(at(5)));
        frames.pass(&whole[7..], at(6)).unwrap();
        assert_eq!(frames.begun, None);
    }
}
