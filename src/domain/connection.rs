//! How a device's connection began or ended, as its page tells it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Why a device came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionCause {
    /// It said hello.
    Hello,
    /// It came in for the first time, or anew, with an enrolment token.
    Enrolled,
    /// It said hello while another connection under its name was open, which was closed for it.
    TookOver,
    /// It closed the connection.
    Closed,
    /// The connection broke.
    Lost,
    /// Nothing was heard of it for too long.
    Silent,
    /// It broke a rule of the protocol.
    Fault,
    /// Its token was revoked.
    Revoked,
    /// The server ended, or was restarted.
    ServerEnded,
}

impl ConnectionCause {
    pub const ALL: [Self; 9] = [
        Self::Hello,
        Self::Enrolled,
        Self::TookOver,
        Self::Closed,
        Self::Lost,
        Self::Silent,
        Self::Fault,
        Self::Revoked,
        Self::ServerEnded,
    ];

    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Enrolled => "enrolled",
            Self::TookOver => "took_over",
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::Fault => "fault",
            Self::Revoked => "revoked",
            Self::ServerEnded => "server_ended",
        }
    }
}

impl fmt::Display for ConnectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no cause of a connection's begin or end")]
pub struct NoCause(String);

impl FromStr for ConnectionCause {
    type Err = NoCause;
    fn from_str(text: &str) -> Result<Self, NoCause> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text).ok_or_else(|| NoCause(text.to_owned()))
    }
}

/// A device came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConnectionEvent {
    pub online: bool,
    pub cause: ConnectionCause,
    #[serde(with = "super::millis_rfc3339")]
    pub at: Timestamp,
}
