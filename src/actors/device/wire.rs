//! Between the session's words and the wire's.

use actix_http::ws::{CloseReason, Item, ProtocolError};
use bytes::{Bytes, BytesMut};

use crate::domain::{
    CloseCause, ConnectionCause, DeviceId, Doing, Fault, ModuleName, Release, RolloutId, Signed, Version,
};
use crate::protocol::{Declined, ErrorCode, MAX_TEXT, Offer, Outcome, ServerMessage, close};

/// Most frames of one message.
const MAX_FRAGMENTS: usize = 64;

/// Longest reason of a close, bytes: a control frame has 125, two of them for the code.
const MAX_REASON: usize = 123;

pub(super) fn close_frame(code: u16, mut reason: String) -> CloseReason {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    CloseReason { code: code.into(), description: Some(reason) }
}

/// A message whose frames have all come.
#[derive(Debug, PartialEq)]
pub(super) enum Whole {
    Text(String),
    Binary(Bytes),
}

/// Joins the frames of a message, as the framework does not.
#[derive(Default)]
pub(super) struct Fragments {
    /// Whoever echoes takes binary messages; devices send text.
    takes_binary: bool,
    bytes: BytesMut,
    frames: usize,
    binary: bool,
}

impl Fragments {
    #[cfg(feature = "echo")]
    pub fn of_an_echo(takes_binary: bool) -> Self {
        Self { takes_binary, ..Self::default() }
    }

    /// Takes one frame; gives the message with its last one. An error is the close that answers it.
    pub fn join(&mut self, item: Item) -> Result<Option<Whole>, (u16, &'static str)> {
        let (bytes, last): (Bytes, bool) = match item {
            Item::FirstText(bytes) => {
                self.begin(false);
                (bytes, false)
            }
            Item::FirstBinary(bytes) => {
                self.begin(true);
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        if self.binary && !self.takes_binary {
            return Err((close::UNSUPPORTED, "devices send text"));
        }
        self.frames += 1;
        if self.frames > MAX_FRAGMENTS || self.bytes.len() + bytes.len() > MAX_TEXT {
            return Err((close::TOO_LARGE, "a message is at most 64 KiB in 64 frames"));
        }
        self.bytes.extend_from_slice(&bytes);
        if !last {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.bytes).freeze();
        if self.binary {
            return Ok(Some(Whole::Binary(bytes)));
        }
        let text = String::from_utf8(bytes.to_vec());
        text.map(|text| Some(Whole::Text(text))).map_err(|_| (close::INVALID, "text must be UTF-8"))
    }

    fn begin(&mut self, binary: bool) {
        self.bytes.clear();
        self.frames = 0;
        self.binary = binary;
    }
}

/// The close that answers a fault of the protocol below the messages.
pub(super) fn close_of_error(error: &ProtocolError) -> u16 {
    match error {
        ProtocolError::Overflow => close::TOO_LARGE,
        // The framework's word for text that is not UTF-8; a broken link is no error here, see the guard.
        ProtocolError::Io(_) => close::INVALID,
        _ => close::PROTOCOL,
    }
}

/// The close that the session wants.
pub(super) fn close_of(cause: CloseCause) -> (u16, &'static str) {
    match cause {
        CloseCause::NoHello => (close::POLICY, "no hello in time"),
        CloseCause::Silent => (close::POLICY, "nothing was heard for too long"),
        CloseCause::BadMessages => (close::POLICY, "too many messages that cannot be read"),
        CloseCause::Hellos => (close::POLICY, "too many hellos"),
        CloseCause::Binary => (close::UNSUPPORTED, "devices send text"),
    }
}

/// What a close by the server says of why the device went.
pub(super) const fn ended_by(code: u16) -> ConnectionCause {
    match code {
        close::RESTART => ConnectionCause::ServerEnded,
        close::REVOKED => ConnectionCause::Revoked,
        close::REPLACED => ConnectionCause::TookOver,
        _ => ConnectionCause::Fault,
    }
}

/// What a message that could not be taken is answered with, when its words are the session's.
type Refusal = (ErrorCode, String);

/// The answer to a message that was read and not taken.
pub(super) fn fault(fault: &Fault, device: Option<&DeviceId>) -> Refusal {
    match fault {
        Fault::NotHello => {
            (ErrorCode::NotHello, "the first message must be a hello: device_id and version_list".to_owned())
        }
        Fault::WrongDevice => {
            let who = device.map_or("another device".to_owned(), ToString::to_string);
            (ErrorCode::WrongDevice, format!("this connection is not for that device_id; it came as {who}"))
        }
        Fault::UnknownPackage(module, version) => {
            (ErrorCode::UnknownPackage, format!("{module} {version} was not offered on this connection"))
        }
    }
}

/// What a result says that the device did.
pub(super) fn doing(outcome: Outcome, error: Option<String>) -> Doing {
    let error = || error.unwrap_or_else(|| "the device gave no reason".to_owned());
    match outcome {
        Outcome::Installed => Doing::Installed,
        Outcome::Staged => Doing::Staged,
        Outcome::Failed => Doing::Failed(error()),
        Outcome::RolledBack => Doing::RolledBack(error()),
    }
}

pub(super) fn package(release: Release, offset: u64) -> ServerMessage {
    let Release { module, version, size, sha256, .. } = release;
    ServerMessage::Package { app_name: module, version, size, sha256, offset }
}

/// What the session is told of a package that the device declines: the word of the wire, and the device's own words.
pub(super) fn declined(declined: Declined) -> (ModuleName, Version, String) {
    let Declined { module, version, reason, error } = declined;
    let word = reason.as_str();
    (module, version, error.map_or_else(|| word.to_owned(), |error| format!("{word}: {error}")))
}

pub(super) fn update_list(
    rollout: RolloutId,
    releases: &[Release],
    (allow_rollback, all_or_nothing): (bool, bool),
    freshness: Option<Signed>,
) -> ServerMessage {
    let offers = releases.iter().map(|release| Offer::of(release, allow_rollback)).collect();
    ServerMessage::UpdateList { rollout_id: rollout, update_list: offers, all_or_nothing, freshness }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &'static [u8]) -> Bytes {
        Bytes::from_static(bytes)
    }

    #[test]
    fn fragments_are_joined_and_a_character_may_be_split() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.join(Item::FirstText(text(b"{\"a\":\"\xe4\xb8"))), Ok(None));
        assert_eq!(fragments.join(Item::Continue(text(b"\xad"))), Ok(None));
        assert_eq!(fragments.join(Item::Last(text(b"\"}"))), Ok(Some(Whole::Text("{\"a\":\"中\"}".to_owned()))));
    }

    #[test]
    fn too_many_or_too_large_or_binary_or_not_text_ends_the_connection() {
        let code = |items: Vec<Item>| {
            let mut fragments = Fragments::default();
            items.into_iter().find_map(|item| fragments.join(item).err()).map(|(code, _)| code)
        };
        let flood = std::iter::once(Item::FirstText(Bytes::new()))
            .chain(std::iter::repeat_with(|| Item::Continue(Bytes::new())).take(64));
        assert_eq!(code(flood.collect()), Some(close::TOO_LARGE));
        let large = Bytes::from(vec![b'x'; MAX_TEXT]);
        assert_eq!(code(vec![Item::FirstText(large), Item::Last(text(b"x"))]), Some(close::TOO_LARGE));
        assert_eq!(code(vec![Item::FirstBinary(text(b"x"))]), Some(close::UNSUPPORTED));
        assert_eq!(code(vec![Item::FirstText(text(b"\xff")), Item::Last(text(b""))]), Some(close::INVALID));
    }
}
