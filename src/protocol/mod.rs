//! What is said: the wire's JSON to and from domain types, its limits, and the leniency towards the shapes that
//! the first terminals were built with (`temprature`, `longtitude`, numeric versions, a `location` of three kinds).
//!
//! Read leniently, written strictly. `docs/protocol.md` is the contract; `tests/wire` holds it as golden files.

mod device_message;
mod device_writing;
mod lenient;
mod plain_report;
mod server_message;

pub use device_message::{
    DeclineReason, Declined, DeviceMessage, Hello, Outcome, Progress, ReportMessage, TrustClaim, UpdateReply,
    UpdateResult, Wanted, decode,
};
pub use device_writing::encode;
pub use server_message::{Offer, ServerMessage};

/// The version of the protocol that `welcome` tells.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest text message of a device, bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// Longest binary frame to a device, bytes.
pub const MAX_FRAME: usize = crate::domain::MAX_FRAME as usize;

/// Package bytes that may be under way to one device beyond its last `received`.
pub const WINDOW: u64 = crate::domain::WINDOW;

/// A device tells its progress at least once in this many bytes.
pub const PROGRESS_EVERY: u64 = 256 * 1024;

/// Deepest nesting of a device's JSON.
pub const MAX_DEPTH: usize = 16;

/// Most keys of one object in a device's JSON.
pub const MAX_KEYS: usize = 256;

/// Why a message was not taken. The words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, or not an object.
    BadJson,
    /// A field is missing or has a value that cannot be read.
    BadMessage,
    /// A `type` that this server does not know.
    UnknownType,
    /// The first message must be a hello.
    NotHello,
    /// The message speaks for another device than the connection.
    WrongDevice,
    /// A package that was not offered on this connection.
    UnknownPackage,
    /// Deeper, wider or longer than the limits.
    TooLarge,
}

/// A message that cannot be taken: told to the device, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolError {
    pub code: ErrorCode,
    /// A sentence with what to do.
    pub message: String,
}

impl ProtocolError {
    /// An error with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadMessage, message)
    }
}

/// Codes of a WebSocket close, RFC 6455 section 7.4 and the product's own.
pub mod close {
    /// The server goes away for a restart; come back within the window in the reason (RFC 6455 registry: Service Restart).
    pub const RESTART: u16 = 1012;
    /// A rule was broken: no hello in time, too many bad messages.
    pub const POLICY: u16 = 1008;
    /// A kind of frame that is not taken: binary from a device.
    pub const UNSUPPORTED: u16 = 1003;
    /// A protocol fault.
    pub const PROTOCOL: u16 = 1002;
    /// Text that is not UTF-8.
    pub const INVALID: u16 = 1007;
    /// Too large.
    pub const TOO_LARGE: u16 = 1009;
    /// The server cannot take the device just now (registry of RFC 6455: Try Again Later).
    pub const TRY_AGAIN: u16 = 1013;
    /// Another connection under the same device_id took over.
    pub const REPLACED: u16 = 4001;
    /// The token was revoked, or the device deleted.
    pub const REVOKED: u16 = 4003;
    /// An enrolment token for a device_id that exists.
    pub const ALREADY_ENROLLED: u16 = 4004;
}
