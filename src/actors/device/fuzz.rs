//! The door for `fuzz/`: what a connection's bytes are read as, without the connection. The framework's codec is the
//! caller's part.

use actix_http::ws::{Frame, ProtocolError};

use super::frames::Frames;
use super::wire::{Fragments, Whole, close_of_error};
use crate::domain::Timestamp;
use crate::protocol::{self, DeviceMessage, ErrorCode, MAX_TEXT, close};

/// What a connection's bytes came to.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    pub messages: Vec<Result<DeviceMessage, ErrorCode>>,
    /// The close that answers the last of it.
    pub closed: Option<u16>,
    /// Whether it was the guard that refused: it keeps back what arrived together with what it refuses.
    pub refused: bool,
}

/// Reads one connection.
#[derive(Default)]
pub struct Reader {
    frames: Frames,
    fragments: Fragments,
    pub read: Read,
}

impl Reader {
    /// Shows the guard what arrives; `false` when it refuses it.
    pub fn arrives(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.frames.step(rest, Timestamp::UNIX_EPOCH) {
                Ok((length, _)) => rest = &rest[length..],
                Err((code, _)) => {
                    (self.read.closed, self.read.refused) = (Some(code), true);
                    break;
                }
            }
        }
        self.read.closed.is_none()
    }

    /// Takes what the codec read; `false` when that ends the connection.
    ///
    /// # Panics
    /// When a message is longer than allowed.
    pub fn takes(&mut self, frame: Result<Frame, ProtocolError>) -> bool {
        let text = match frame {
            Ok(Frame::Text(bytes)) => String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| close::INVALID),
            Ok(Frame::Continuation(item)) => match self.fragments.join(item) {
                Ok(None) => Ok(None),
                Ok(Some(Whole::Text(text))) => Ok(Some(text)),
                Ok(Some(Whole::Binary(_))) => Err(close::UNSUPPORTED),
                Err((code, _)) => Err(code),
            },
            Ok(Frame::Binary(_)) => Err(close::UNSUPPORTED),
            Ok(Frame::Close(reason)) => Err(reason.map_or(0, |reason| reason.code.into())),
            Ok(Frame::Ping(_) | Frame::Pong(_)) => Ok(None),
            Err(error) => Err(close_of_error(&error)),
        };
        match text {
            Ok(Some(text)) => {
                assert!(text.len() <= MAX_TEXT, "a message of {} bytes", text.len());
                self.read.messages.push(protocol::decode(&text).map_err(|(error, _)| error.code));
            }
            Ok(None) => {}
            Err(code) => self.read.closed = Some(code),
        }
        self.read.closed.is_none()
    }
}
